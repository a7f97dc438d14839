package balancer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/policy"
)

// Journal keeps every operation on disk: the open ones, so that a crash at any
// point can be put right by looking at both hosts, and the last closed ones as
// history.
//
// It is a text file, one record a line: the CRC-32C of the rest in hex, a
// space, the operation in JSON. The last record of an operation counts. A
// record is written whole and synced before Append returns; a line that a crash
// tore off is dropped when the file is opened.
//
// Invariant: what Append has returned nil for is found by the next Open.
type Journal struct {
	mu    sync.Mutex
	disk  Disk
	path  string // for people
	file  File
	size  int64
	lines int

	open   map[policy.OpID]operation.Operation
	closed []operation.Operation // oldest first
}

const (
	// keepClosed is how many closed operations are kept as history.
	keepClosed = 1000
	// compactAbove is how many lines the file may have before it is rewritten.
	compactAbove = 4 * keepClosed
	// recordMax bounds one record: a domain XML is some tens of KiB.
	recordMax = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const journalFile = "journal"

// OpenJournal opens or makes the journal in a directory.
//
// A torn last line is cut off. A damaged line before that is an error: something
// other than a crash has changed the file, and open operations may be missing.
func OpenJournal(dir string) (*Journal, error) {
	return OpenJournalOn(directory(dir))
}

// OpenJournalOn is OpenJournal on any disk.
func OpenJournalOn(d Disk) (*Journal, error) {
	f, err := d.Open(journalFile)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j := &Journal{disk: d, path: journalFile, file: f, open: map[policy.OpID]operation.Operation{}}
	if dir, ok := d.(directory); ok {
		j.path = dir.path(journalFile)
	}
	if err := j.load(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

func (j *Journal) load() error {
	r := bufio.NewReaderSize(io.NewSectionReader(j.file, 0, math.MaxInt64), 1<<16)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) { // whatever is left was torn off by a crash
			return j.cut()
		}
		if err != nil {
			return fmt.Errorf("journal %s: %w", j.path, err)
		}
		o, err := decodeRecord(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			if _, err := r.Peek(1); errors.Is(err, io.EOF) {
				return j.cut()
			}
			return fmt.Errorf("journal %s, line %d: %w; move the file away only when you know where its domains run", j.path, n, err)
		}
		j.size += int64(len(line))
		j.remember(o)
	}
}

// cut shortens the file to its whole records.
func (j *Journal) cut() error {
	if err := j.file.Truncate(j.size); err != nil {
		return fmt.Errorf("journal %s: %w", j.path, err)
	}
	return nil
}

func (j *Journal) remember(o operation.Operation) {
	j.lines++
	delete(j.open, o.ID)
	known := slices.IndexFunc(j.closed, func(c operation.Operation) bool { return c.ID == o.ID })
	switch {
	case known >= 0 && o.Phase.Closed(): // audited: it keeps its place
		j.closed[known] = o
		return
	case known >= 0:
		j.closed = slices.Delete(j.closed, known, known+1)
	}
	if !o.Phase.Closed() {
		j.open[o.ID] = o
		return
	}
	j.closed = append(j.closed, o)
	if excess := len(j.closed) - keepClosed; excess > 0 {
		j.closed = slices.Delete(j.closed, 0, excess)
	}
}

// Append writes one operation as it is now and syncs it. After an error the
// record is not there: the file is cut back to what it was.
func (j *Journal) Append(o operation.Operation) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.append(o)
}

// Audited adds an audit to a closed operation. One that is not kept any more
// is left alone.
func (j *Journal) Audited(op policy.OpID, h policy.Horizon, a policy.Audit) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	i := slices.IndexFunc(j.closed, func(c operation.Operation) bool { return c.ID == op })
	if i < 0 {
		return nil
	}
	o := j.closed[i]
	o.Audits = o.Audits.With(h, a)
	return j.append(o)
}

func (j *Journal) append(o operation.Operation) error {
	if o.Phase.Closed() {
		o.Description.XML = "" // only an open operation may need it again
		o.Description.InactiveXML = ""
	}
	record, err := encodeRecord(o)
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.path, err)
	}
	_, err = j.file.WriteAt(record, j.size)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("journal %s: %w", j.path, err), j.cut())
	}
	j.size += int64(len(record))
	j.remember(o)
	if j.lines > compactAbove {
		return j.compact()
	}
	return nil
}

// Check reports whether the journal could be written now, by writing and
// taking back an empty line's worth of data.
func (j *Journal) Check() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, err := j.file.WriteAt(bytes.Repeat([]byte{' '}, 4096), j.size)
	if err == nil {
		err = j.file.Sync()
	}
	if err := errors.Join(err, j.cut()); err != nil {
		return fmt.Errorf("journal %s: %w", j.path, err)
	}
	return nil
}

// Open returns the operations that are not closed, by ID.
func (j *Journal) Open() []operation.Operation {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.sortedOpen()
}

func (j *Journal) sortedOpen() []operation.Operation {
	return slices.SortedFunc(maps.Values(j.open), func(a, b operation.Operation) int {
		return strings.Compare(string(a.ID), string(b.ID))
	})
}

// History returns the closed operations, newest first, at most limit.
func (j *Journal) History(limit int) []operation.Operation {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := slices.Clone(j.closed[max(0, len(j.closed)-limit):])
	slices.Reverse(all)
	return all
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }

// compact rewrites the file with one line for each operation that is kept. The
// new file takes the old one's place in one step.
func (j *Journal) compact() error {
	var all bytes.Buffer
	kept := append(slices.Clone(j.closed), j.sortedOpen()...)
	for _, o := range kept {
		record, err := encodeRecord(o)
		if err != nil {
			return fmt.Errorf("journal %s: %w", j.path, err)
		}
		all.Write(record)
	}
	if err := j.disk.Replace(journalFile, all.Bytes()); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	f, err := j.disk.Open(journalFile)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	err = j.file.Close()
	j.file, j.size, j.lines = f, int64(all.Len()), len(kept)
	return err
}

func encodeRecord(o operation.Operation) ([]byte, error) {
	data, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", o.ID, err)
	}
	if len(data) > recordMax {
		return nil, fmt.Errorf("encode %s: %d bytes, more than %d", o.ID, len(data), recordMax)
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(data, castagnoli), data), nil
}

func decodeRecord(line []byte) (operation.Operation, error) {
	var o operation.Operation
	sum, data, ok := bytes.Cut(line, []byte(" "))
	if !ok || string(sum) != fmt.Sprintf("%08x", crc32.Checksum(data, castagnoli)) {
		return o, errors.New("checksum does not match")
	}
	if err := json.Unmarshal(data, &o); err != nil {
		return o, err
	}
	if o.ID == "" || o.Phase == operation.New {
		return o, errors.New("record without operation or phase")
	}
	return o, nil
}
