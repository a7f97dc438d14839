package nodeset

import (
	"fmt"
	"strconv"
	"strings"
)

// digitsMax bounds an index: what fits an integer with room to step.
const digitsMax = 18

// expandRanges writes out what stands in brackets: 1-5,008-010,1-9/2.
func expandRanges(ranges string) ([]string, error) {
	var all []string
	for part := range strings.SplitSeq(ranges, ",") {
		indexes, err := expandRange(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("[%s]: %w", ranges, err)
		}
		if all = append(all, indexes...); len(all) > MaxNames {
			return nil, fmt.Errorf("more than %d hosts", MaxNames)
		}
	}
	return all, nil
}

func expandRange(r string) ([]string, error) {
	bounds, stepText, stepped := strings.Cut(r, "/")
	first, last, ranged := strings.Cut(bounds, "-")
	first, last = strings.TrimSpace(first), strings.TrimSpace(last)
	if !ranged {
		last = first
	}
	start, err := number(first)
	if err != nil {
		return nil, err
	}
	end, err := number(last)
	if err != nil {
		return nil, err
	}
	step := 1
	if stepped {
		if step, err = number(strings.TrimSpace(stepText)); err != nil {
			return nil, err
		}
	}
	width := 0
	if padded(first) || padded(last) {
		width = len(first)
	}
	switch {
	case width > 0 && len(first) != len(last):
		return nil, fmt.Errorf("%s and %s are not padded to the same width", first, last)
	case step < 1, step > 1 && !ranged:
		return nil, fmt.Errorf("%q is no step for %q", stepText, bounds)
	case start > end:
		return nil, fmt.Errorf("%s comes after %s", first, last)
	case (end-start)/step >= MaxNames:
		return nil, fmt.Errorf("more than %d hosts", MaxNames)
	}
	indexes := make([]string, 0, (end-start)/step+1)
	for i := start; i <= end; i += step {
		indexes = append(indexes, fmt.Sprintf("%0*d", width, i))
	}
	return indexes, nil
}

// padded reports whether a number is written with zeros in front.
func padded(digits string) bool { return len(digits) > 1 && digits[0] == '0' }

func number(digits string) (int, error) {
	if digits == "" || len(digits) > digitsMax || strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("%q is not a number of at most %d digits", digits, digitsMax)
	}
	return strconv.Atoi(digits)
}
