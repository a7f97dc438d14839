package gossip

// A batch is the one message of this package, in packets and in push/pull
// exchanges alike:
//
//	byte 0   type
//	byte 1   version of the batch
//	then     records: one length byte, then as many bytes
//
// Another type is ignored and counted. A record is a digest; its length tells
// an older receiver where the fields that it does not know end.
const (
	typeDigests  = 1
	batchVersion = 1
	batchHeader  = 2
	// recordOverhead is the length byte.
	recordOverhead = 1
)

// appendBatchHeader starts a batch.
func appendBatchHeader(b []byte) []byte { return append(b, typeDigests, batchVersion) }

// appendRecord adds a record of at most recordMax bytes.
func appendRecord(b, record []byte) []byte {
	return append(append(b, byte(len(record))), record...)
}

// readBatch calls use for each record, in place: use copies what it keeps. It
// stops at the first fault, since nothing after it can be trusted to be where
// it seems.
func readBatch(b []byte, use func(record []byte)) (Cause, bool) {
	if len(b) < batchHeader || b[1] < 1 {
		return CauseGarbage, false
	}
	if b[0] != typeDigests {
		return CauseUnknownType, false
	}
	for b = b[batchHeader:]; len(b) > 0; {
		n := int(b[0])
		if n < recordMin || n > recordMax || len(b) < 1+n {
			return CauseGarbage, false
		}
		use(b[1 : 1+n])
		b = b[1+n:]
	}
	return 0, true
}
