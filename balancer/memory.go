package balancer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

const memoryFile = "memory.json"

// LoadMemory reads what an earlier life remembered; nothing if there was none.
func LoadMemory(d Disk) (Memory, error) {
	var m Memory
	data, err := d.ReadFile(memoryFile)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return Memory{}, fmt.Errorf("%s: %w; delete it to start without cooldowns and back-offs", memoryFile, err)
	}
	return m, nil
}

// MemoryKeeper writes the memory down when it has changed.
type MemoryKeeper struct {
	Disk Disk

	mu   sync.Mutex
	last []byte
}

// Save makes the memory durable.
func (k *MemoryKeeper) Save(m Memory) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil || bytes.Equal(data, k.last) {
		return err
	}
	if err := k.Disk.Replace(memoryFile, data); err != nil {
		return err
	}
	k.last = data
	return nil
}
