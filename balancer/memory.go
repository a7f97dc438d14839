package balancer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

const memoryFile = "memory.json"

// loadMemory reads what an earlier life remembered; nothing if there was none.
func loadMemory(dir string) (Memory, error) {
	var m Memory
	path := filepath.Join(dir, memoryFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return Memory{}, fmt.Errorf("%s: %w; delete it to start without cooldowns and back-offs", path, err)
	}
	return m, nil
}

// memoryKeeper writes the memory down when it has changed.
type memoryKeeper struct {
	dir  string
	mu   sync.Mutex
	last []byte
}

func (k *memoryKeeper) save(m Memory) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil || bytes.Equal(data, k.last) {
		return err
	}
	if err := writeFile(filepath.Join(k.dir, memoryFile), data); err != nil {
		return err
	}
	k.last = data
	return nil
}
