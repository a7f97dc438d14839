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

//go:embed guest
var guestSource embed.FS

// guestFlags make gcc build a program that runs without an operating system. It
// takes no 32-bit libraries, so plain gcc on x86-64 can do it.
var guestFlags = []string{
	"-m32", "-march=i686", "-O2", "-std=gnu11", "-Wall", "-Wextra",
	"-ffreestanding", "-fno-pic", "-fno-pie", "-fno-stack-protector",
	"-fno-asynchronous-unwind-tables", "-mgeneral-regs-only", "-fcf-protection=none",
	"-nostdlib", "-static", "-no-pie",
	"-Wl,-m,elf_i386", "-Wl,--build-id=none", "-Wl,-z,noexecstack", "-T", "guest.ld",
}

// installGuest puts the guest's image at the path, building it if this version
// of it has not been built before.
func installGuest(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	entries, err := guestSource.ReadDir("guest")
	if err != nil {
		return err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, guestFlags)
	sources := map[string][]byte{}
	for _, e := range entries {
		b, err := guestSource.ReadFile("guest/" + e.Name())
		if err != nil {
			return err
		}
		fmt.Fprintln(sum, e.Name(), len(b))
		sum.Write(b)
		sources[e.Name()] = b
	}
	image := filepath.Join(cache, fmt.Sprintf("guest-%x.elf", sum.Sum(nil)[:8]))
	if _, err := os.Stat(image); err != nil {
		if err := buildGuest(ctx, filepath.Dir(path), image, sources); err != nil {
			return fmt.Errorf("build the guest: %w", err)
		}
	}
	b, err := os.ReadFile(image)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

// buildGuest builds the image in a directory below work.
func buildGuest(ctx context.Context, work, image string, sources map[string][]byte) error {
	dir, err := os.MkdirTemp(work, "guest-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	args := slices.Clone(guestFlags)
	for name, b := range sources {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
		if ext := filepath.Ext(name); ext == ".c" || ext == ".S" {
			args = append(args, name)
		}
	}
	cmd := exec.CommandContext(ctx, program("gcc"), append(args, "-o", "guest.elf")...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("gcc: %w: %s", err, out.Bytes())
	}
	b, err := os.ReadFile(filepath.Join(dir, "guest.elf"))
	if err != nil {
		return err
	}
	// whole or not at all
	temporary := fmt.Sprintf("%s.%d", image, os.Getpid())
	if err := os.WriteFile(temporary, b, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, image)
}
