package lab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

//go:embed guest hostproc
var sources embed.FS

// artifact is a program in C that is built when it is first needed, in whatever
// version its sources have.
type artifact struct {
	dir   string // of the sources
	flags []string
}

var (
	// The guest runs without an operating system. It takes no 32-bit
	// libraries, so plain gcc on x86-64 can build it.
	guestArtifact = artifact{"guest", []string{
		"-m32", "-march=i686", "-O2", "-std=gnu11", "-Wall", "-Wextra",
		"-ffreestanding", "-fno-pic", "-fno-pie", "-fno-stack-protector",
		"-fno-asynchronous-unwind-tables", "-mgeneral-regs-only", "-fcf-protection=none",
		"-nostdlib", "-static", "-no-pie",
		"-Wl,-m,elf_i386", "-Wl,--build-id=none", "-Wl,-z,noexecstack", "-T", "guest.ld",
	}}
	hostprocArtifact = artifact{"hostproc", []string{"-O2", "-std=gnu11", "-Wall", "-Wextra"}}
)

// install puts the program at the path, building it if this version of it has
// not been built before.
func (a artifact) install(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	entries, err := sources.ReadDir(a.dir)
	if err != nil {
		return err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, a.flags)
	files := map[string][]byte{}
	for _, e := range entries {
		b, err := sources.ReadFile(a.dir + "/" + e.Name())
		if err != nil {
			return err
		}
		fmt.Fprintln(sum, e.Name(), len(b))
		sum.Write(b)
		files[e.Name()] = b
	}
	cached := filepath.Join(cache, fmt.Sprintf("%s-%x", a.dir, sum.Sum(nil)[:8]))
	if _, err := os.Stat(cached); err != nil {
		if err := a.build(ctx, filepath.Dir(path), cached, files); err != nil {
			return fmt.Errorf("build %s: %w", a.dir, err)
		}
	}
	b, err := os.ReadFile(cached)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o755)
}

// build builds in a directory below work.
func (a artifact) build(ctx context.Context, work, path string, files map[string][]byte) error {
	dir, err := os.MkdirTemp(work, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	args := slices.Clone(a.flags)
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
		if ext := filepath.Ext(name); ext == ".c" || ext == ".S" {
			args = append(args, name)
		}
	}
	cmd := exec.CommandContext(ctx, program("gcc"), append(args, "-o", "out")...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("gcc: %w: %s", err, out.Bytes())
	}
	b, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		return err
	}
	// whole or not at all
	temporary := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.WriteFile(temporary, b, 0o755); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
