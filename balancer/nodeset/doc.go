// Package nodeset reads and writes sets of host names the way ClusterShell's
// users write them: node[1-10,15], @rack3, and expressions of these.
//
//	node[1-4,7]        node1, node2, node3, node4, node7
//	node[008-010]      zeros that are written are kept
//	node[1-9/2]        every second
//	rack[1-2]-node[1-3] all pairs, in any number of dimensions
//	@group, @source:group, @*  from group files; @* is every host
//	node*, node?       the hosts that are known and match
//	a,b  a!b  a&b  a^b union, difference, intersection, symmetric difference
//
// Operators have one precedence and are read from the left. A set is written
// folded, each host once.
//
// It is not the place to know which hosts there are: groups and hosts come from
// the caller.
//
// # Where ClusterShell differs
//
// A digit next to a bracket is text here: node1[9-10] is node19 and node110, as
// in Slurm, where ClusterShell reads node[19-110]. A group that does not exist is
// an error, not the empty set: a slip must not turn "all but these" into all. White
// space inside a name and negative numbers are errors, and so are expressions of
// more than MaxNames hosts. In more than one dimension, both fold to the same hosts but not always
// to the same text.
//
// # Invariants
//
//   - Parse(Fold(names)) is names.
//   - No input takes more than a moment or more memory than MaxNames hosts.
package nodeset
