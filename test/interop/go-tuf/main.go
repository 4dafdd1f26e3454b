// Command go-tuf-client follows a TUF repository with go-tuf and downloads targets, as the other clients' programs here do.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"
)

func main() {
	root := flag.String("root", "", "file with the first trusted root, for an empty memory")
	memory := flag.String("memory", "", "the client's own folder")
	metadataURL := flag.String("metadata-url", "", "where N.root.json and timestamp.json are")
	targetsURL := flag.String("targets-url", "", "where targets are")
	out := flag.String("out", "", "folder for the targets")
	flag.Parse()
	if err := read(*root, *memory, *metadataURL, *targetsURL, *out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(root, memory, metadataURL, targetsURL, out string, names []string) error {
	for _, folder := range []string{memory, out} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	trusted, err := trustedRoot(root, memory)
	if err != nil {
		return err
	}
	options, err := config.New(metadataURL, trusted)
	if err != nil {
		return err
	}
	options.LocalMetadataDir = memory
	options.LocalTargetsDir = out
	options.RemoteTargetsURL = targetsURL
	client, err := updater.New(options)
	if err != nil {
		return err
	}
	if err := client.Refresh(); err != nil {
		return err
	}
	for _, name := range names {
		info, err := client.GetTargetInfo(name)
		if err != nil {
			return fmt.Errorf("target %s: %w", name, err)
		}
		if _, _, err := client.DownloadTarget(info, filepath.Join(out, name), ""); err != nil {
			return fmt.Errorf("target %s: %w", name, err)
		}
	}
	return nil
}

// go-tuf starts at the root it is given, so the program remembers the newest one for it.
func trustedRoot(first, memory string) ([]byte, error) {
	remembered, err := os.ReadFile(filepath.Join(memory, "root.json"))
	if errors.Is(err, os.ErrNotExist) {
		return os.ReadFile(first)
	}
	return remembered, err
}
