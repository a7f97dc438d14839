package config

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// value is the place of one setting in a Config, read and written in the units
// and types of the file.
type value interface {
	// get returns a string, int64, float64, bool or []any.
	get() any
	// set says what the value must be if it is of another kind.
	set(any) error
}

// field is a value of type T behind a pointer.
type field[T any] struct {
	p     *T
	read  func(any) (T, bool)
	write func(T) any
	// want completes "must be ...".
	want string
}

func (f field[T]) get() any { return f.write(*f.p) }

func (f field[T]) set(v any) error {
	t, ok := f.read(v)
	if !ok {
		return fmt.Errorf("(%s) must be %s", show(v), f.want)
	}
	*f.p = t
	return nil
}

func text(p *string) value {
	return field[string]{p, as[string], func(s string) any { return s }, "a string"}
}

func boolean(p *bool) value {
	return field[bool]{p, as[bool], func(b bool) any { return b }, "true or false"}
}

// choice is one of a few values, written as the word of each in lower case.
func choice[T fmt.Stringer](p *T, choices ...T) value {
	write := func(t T) any { return strings.ToLower(t.String()) }
	quoted := make([]string, len(choices))
	for i, c := range choices {
		quoted[i] = show(write(c))
	}
	read := func(v any) (T, bool) {
		i := slices.IndexFunc(choices, func(c T) bool { return write(c) == v })
		if i < 0 {
			return *new(T), false
		}
		return choices[i], true
	}
	return field[T]{p, read, write, "one of " + strings.Join(quoted, ", ")}
}

// endpoint is an IP address with a port; the empty string is its zero value.
func endpoint(p *netip.AddrPort) value {
	read := func(v any) (netip.AddrPort, bool) {
		s, ok := v.(string)
		if s == "" {
			return netip.AddrPort{}, ok
		}
		a, err := netip.ParseAddrPort(s)
		return a, err == nil
	}
	write := func(a netip.AddrPort) any {
		if !a.IsValid() {
			return ""
		}
		return a.String()
	}
	return field[netip.AddrPort]{p, read, write, `an IP address and a port, such as "0.0.0.0:17450" or "[::]:17450"`}
}

func count(p *int) value {
	read := func(v any) (int, bool) {
		i, ok := v.(int64)
		return int(i), ok && int64(int(i)) == i
	}
	return field[int]{p, read, func(i int) any { return int64(i) }, "a whole number"}
}

func number(p *float64) value {
	return field[float64]{p, finite, func(f float64) any { return f }, "a number"}
}

// percent reads 80 as 0.8.
func percent(p *policy.Fraction) value {
	read := func(v any) (policy.Fraction, bool) {
		f, ok := finite(v)
		return policy.Fraction(f / 100), ok
	}
	// 0.07 x 100 is not 7 in binary; what was read is what is written.
	write := func(f policy.Fraction) any { return math.Round(float64(f)*1e11) / 1e9 }
	return field[policy.Fraction]{p, read, write, "a number of percent, such as 80"}
}

// cpus reads 1.5 as 1500 milli-CPUs.
func cpus(p *policy.MilliCPU) value {
	read := func(v any) (policy.MilliCPU, bool) {
		f, ok := finite(v)
		return policy.MilliCPU(math.Round(f * 1000)), ok && math.Abs(f) < 1e9
	}
	write := func(m policy.MilliCPU) any { return float64(m) / 1000 }
	return field[policy.MilliCPU]{p, read, write, "a number of CPUs, such as 16 or 2.5"}
}

func mebibytes(p *policy.Bytes) value {
	read := func(v any) (policy.Bytes, bool) {
		i, ok := v.(int64)
		return policy.Bytes(i) * policy.MiB, ok && i < 1<<40 && i > -1<<40
	}
	write := func(b policy.Bytes) any { return int64(b / policy.MiB) }
	return field[policy.Bytes]{p, read, write, "a whole number of MiB, such as 100"}
}

// duration takes no bare number: 20 could mean anything.
func duration(p *time.Duration) value {
	read := func(v any) (time.Duration, bool) {
		s, _ := v.(string)
		d, err := time.ParseDuration(s)
		return d, err == nil
	}
	return field[time.Duration]{p, read, func(d time.Duration) any { return shortDuration(d) }, `a duration in quotes, such as "20s" or "1h30m"`}
}

// automatic is a duration, or the word "auto" for Automatic.
func automatic(p *time.Duration) value {
	const auto = "auto"
	read := func(v any) (time.Duration, bool) {
		if v == auto {
			return Automatic, true
		}
		s, _ := v.(string)
		d, err := time.ParseDuration(s)
		return d, err == nil && d != Automatic
	}
	write := func(d time.Duration) any {
		if d == Automatic {
			return auto
		}
		return shortDuration(d)
	}
	return field[time.Duration]{p, read, write, `"auto" or a duration in quotes, such as "60s"`}
}

// list is a list of strings; an empty one is nil.
func list(p *[]string) value {
	read := func(v any) ([]string, bool) {
		items, ok := v.([]any)
		var out []string
		for _, item := range items {
			s, isString := item.(string)
			if !isString {
				return nil, false
			}
			out = append(out, s)
		}
		return out, ok
	}
	write := func(ss []string) any {
		items := make([]any, len(ss))
		for i, s := range ss {
			items[i] = s
		}
		return items
	}
	return field[[]string]{p, read, write, `a list of strings, such as ["a", "b"]`}
}

func as[T any](v any) (T, bool) {
	t, ok := v.(T)
	return t, ok
}

// finite reads an integer or a float that is neither infinite nor NaN.
func finite(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, !math.IsNaN(n) && !math.IsInf(n, 0)
	default:
		return 0, false
	}
}

// shortDuration writes 1h30m0s as 1h30m.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// show writes a value as the file does, shortened to a line.
func show(v any) string {
	const limit = 80
	var s string
	switch t := v.(type) {
	case string:
		s = strconv.Quote(t)
	case float64:
		s = strconv.FormatFloat(t, 'g', -1, 64)
	case []any:
		items := make([]string, 0, len(t))
		for _, item := range t {
			items = append(items, show(item))
		}
		s = "[" + strings.Join(items, ", ") + "]"
	case map[string]any, []map[string]any:
		s = "a table"
	case time.Time:
		s = t.Format(time.RFC3339)
	default:
		s = fmt.Sprint(t)
	}
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return s
}
