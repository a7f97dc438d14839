// Package hostile attacks a running daemon from all sides at once: strangers and
// holders of the gossip key, over every port and socket. Its test shows that the
// daemon stays within bounds, moves nothing, and goes on when it is over.
package hostile
