package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// simulated is the page of a run.
func simulated(t *testing.T, args ...string) string {
	t.Helper()
	var out, complaints bytes.Buffer
	if code := run(t.Context(), append([]string{"simulate", "--format", "html"}, args...), &out, &complaints); code != exitOK {
		t.Fatalf("exit code %d: %s", code, complaints.String())
	}
	return out.String()
}

// The page is read without a network, by people who did not run it.
func TestPageIsSelfContained(t *testing.T) {
	text := simulated(t, "--traces", "made-up:40", "--set", "policy.high=78")
	d := xml.NewDecoder(strings.NewReader(text))
	elements := map[string]int{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well formed: %v", err)
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		elements[e.Name.Local]++
		for _, a := range e.Attr {
			switch a.Name.Local {
			case "src", "href", "srcset", "action", "data", "poster", "background", "style", "onload":
				t.Errorf("<%s %s=%q> asks for something else", e.Name.Local, a.Name.Local, a.Value)
			case "d":
				if !regexp.MustCompile(`^[MLHhVvZz0-9. -]*$`).MatchString(a.Value) {
					t.Errorf("path %.80q", a.Value)
				}
			}
		}
	}
	for _, name := range []string{"script", "link", "iframe", "img", "object", "embed"} {
		if elements[name] > 0 {
			t.Errorf("the page has <%s>", name)
		}
	}
	for _, bad := range []string{"://", "@import", "url(", "ZgotmplZ", "NaN", "Inf", "%!"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if elements["svg"] != 6 || elements["tr"] < 20 {
		t.Errorf("elements %v", elements)
	}
	for _, want := range []string{"light-dark", "nothing moved", "virtbalance simulate --format html --set policy.high=78 --traces made-up:40", "64 % to 78 %"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// Names come from files that others have written.
func TestPageQuotes(t *testing.T) {
	file := t.TempDir() + "/a&b.csv"
	traces := "<script>alert(1)</script>,99,99,99,99\n<b>,99,99,99,99\n<c>,99,99,99,99\n<d>,99,99,99,99\n<e>,99,99,99,99\n<f>,99,99,99,99\n<g>,99,99,99,99\n"
	if err := os.WriteFile(file, []byte(traces), 0o600); err != nil {
		t.Fatal(err)
	}
	text := simulated(t, "--traces", file, "--hosts", "2")
	if strings.Contains(text, "<script>") || strings.Contains(text, "<b>") || !strings.Contains(text, "a&amp;b") {
		t.Error("names are not quoted")
	}
}

func TestTimeTicks(t *testing.T) {
	for _, tt := range []struct {
		length time.Duration
		n      int
		last   string
	}{
		{5 * time.Minute, 6, "0:05"},
		{40 * time.Minute, 9, "0:40"},
		{24 * time.Hour, 9, "24:00"},
		{7 * 24 * time.Hour, 8, "168:00"},
		{100 * 24 * time.Hour, 7, "2304:00"},
	} {
		ticks := timeTicks(tt.length)
		if last := ticks[len(ticks)-1]; len(ticks) != tt.n || last.Text != tt.last || last.At > plotWidth {
			t.Errorf("%v: %v", tt.length, ticks)
		}
	}
}
