package libvirt

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// A domain carries our metadata in its own definition, so that it travels with
// it from host to host:
//
//	<metadata>
//	  <virtbalance:domain xmlns:virtbalance="https://virtbalance.org/domain/1">
//	    <pin/>
//	    <requires label="ssd"/>
//	    <anti-affinity group="db"/>
//	    <affinity group="shop" strength="soft"/>
//	    <priority value="5"/>
//	    <override mode="approve"/>
//	    <moved last="2026-05-04T03:02:01Z" from="6d4f3e0e-…" count="2"/>
//	  </virtbalance:domain>
//	</metadata>
//
// <moved/> is written by us, the others say what policy.Rules does. Children
// count whether they are in our
// namespace or in none (virsh metadata --set leaves them in none). A child
// that this version does not know means nothing to it and is kept as it is
// when <moved/> is written, so that an older version takes nothing from a
// newer one.
const (
	metadataURI = "https://virtbalance.org/domain/1"
	metadataKey = "virtbalance" // the prefix that libvirt writes it with
)

// Limits on what is taken in.
const (
	metadataMax      = 64 << 10
	metadataDepthMax = 32
	moveCountMax     = 10_000
)

var (
	errMetadata = errors.New("virtbalance metadata")
	// errHistory is the part of it that we write ourselves, and may replace.
	errHistory = errors.New("the history in it cannot be read")
	// errRule is a rule that a person has written wrongly: the domain stays
	// where it is until it is mended.
	errRule = errors.New("a rule in it makes no sense")
)

// uuidForm is what a host ID looks like. Anybody who may define a domain can
// write its metadata, so what is read is bounded like a message of a stranger.
var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// rules are our metadata of one domain.
type rules struct {
	policy.Rules
	history policy.MoveHistory
	// hugePages: the guest's memory is in huge pages. It stands elsewhere in the
	// definition, and is kept with the rest that does.
	hugePages bool
	// rest are the children that this version does not know or understand, as
	// XML that means the same wherever it stands.
	rest string
}

// parseRules reads our element. What is sound in it is returned beside an
// error about the rest.
func parseRules(element string) (rules, error) {
	if len(element) > metadataMax {
		return rules{}, fmt.Errorf("%w: %d bytes are more than %d", errMetadata, len(element), metadataMax)
	}
	d := xml.NewDecoder(strings.NewReader(element))
	if _, err := nextElement(d); err != nil {
		return rules{}, fmt.Errorf("%w: %w", errMetadata, err)
	}
	return readRules(d)
}

// readRules reads the content of our element, whose beginning d has passed.
func readRules(d *xml.Decoder) (rules, error) {
	var r rules
	var rest strings.Builder
	var faults []error
	for {
		child, err := nextElement(d)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r, fmt.Errorf("%w: %w", errMetadata, err)
		}
		name := child.Name.Local
		if child.Name.Space != "" && child.Name.Space != metadataURI {
			name = "" // somebody else's
		}
		switch name {
		case "pin":
			r.Pin, err = true, d.Skip()
		case "ignore":
			r.Ignore, err = true, d.Skip()
		case "requires", "affinity", "anti-affinity", "priority", "override":
			fault := readRule(&r.Rules, name, child.Attr)
			if fault == nil {
				err = d.Skip()
				break
			}
			faults = append(faults, fmt.Errorf("%w: %w: <%s/>: %w", errMetadata, errRule, name, fault))
			err = copyElement(&rest, d, child, "", 0) // for a person to mend
		case "moved":
			var fault error
			if r.history, fault = parseMoved(child.Attr); fault != nil {
				faults = append(faults, fmt.Errorf("%w: %w: %w", errMetadata, errHistory, fault))
			}
			err = d.Skip()
		default:
			err = copyElement(&rest, d, child, "", 0)
		}
		if err != nil {
			return r, fmt.Errorf("%w: %w", errMetadata, err)
		}
	}
	r.rest = rest.String()
	return r, errors.Join(faults...)
}

// nextElement skips to the next element on the level where d stands; io.EOF at
// the end of that level or of the text.
func nextElement(d *xml.Decoder) (xml.StartElement, error) {
	for {
		t, err := d.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			return t, nil
		case xml.EndElement:
			return xml.StartElement{}, io.EOF
		}
	}
}

func parseMoved(attrs []xml.Attr) (policy.MoveHistory, error) {
	var h policy.MoveHistory
	for _, a := range attrs {
		if a.Name.Space != "" {
			continue
		}
		var err error
		switch a.Name.Local {
		case "last":
			h.Last, err = time.Parse(time.RFC3339, a.Value)
			if y := h.Last.Year(); err == nil && (y < 2000 || y > 2200) {
				err = fmt.Errorf("the year %d is not within 2000..2200", y)
			}
		case "from":
			h.From = policy.HostID(strings.ToLower(a.Value))
			if !uuidForm.MatchString(string(h.From)) {
				err = fmt.Errorf("%.40q is not a UUID", a.Value)
			}
		case "count":
			h.Count, err = strconv.Atoi(a.Value)
			if err == nil && (h.Count < 0 || h.Count > moveCountMax) {
				err = fmt.Errorf("count %d is not within 0..%d", h.Count, moveCountMax)
			}
		case "unhelped":
			h.Unhelped, err = strconv.Atoi(a.Value)
			if err == nil && (h.Unhelped < 0 || h.Unhelped > moveCountMax) {
				err = fmt.Errorf("unhelped %d is not within 0..%d", h.Unhelped, moveCountMax)
			}
		}
		if err != nil {
			return policy.MoveHistory{}, fmt.Errorf("moved %s: %w", a.Name.Local, err)
		}
	}
	return h, nil
}

// element returns the rules as the XML that libvirt is given; libvirt itself
// puts it into our namespace.
func (r rules) element() string {
	var b strings.Builder
	b.WriteString("<domain>")
	writeRules(&b, r.Rules)
	if h := r.history; h != (policy.MoveHistory{}) {
		b.WriteString("<moved")
		if !h.Last.IsZero() {
			attribute(&b, "last", h.Last.UTC().Format(timeForm))
		}
		if h.From != "" {
			attribute(&b, "from", string(h.From))
		}
		attribute(&b, "count", strconv.Itoa(h.Count))
		if h.Unhelped > 0 {
			attribute(&b, "unhelped", strconv.Itoa(h.Unhelped))
		}
		b.WriteString("/>")
	}
	b.WriteString(r.rest)
	b.WriteString("</domain>")
	return b.String()
}

// timeForm keeps what of a time is written: with whole seconds alone, cooldowns
// would be up to one second short.
const timeForm = "2006-01-02T15:04:05.999Z07:00"

// sameHistory compares what can be written.
func sameHistory(a, b policy.MoveHistory) bool {
	return a.From == b.From && a.Count == b.Count && a.Unhelped == b.Unhelped && a.Last.UnixMilli() == b.Last.UnixMilli()
}

// readMetadata returns what the metadata of a domain definition says: our
// rules, and the namespaces of everything else in it. The whole definition is
// read, because namespaces may be declared on any element around.
func readMetadata(definition string) (rules, []string, error) {
	var r rules
	var others []string
	d := xml.NewDecoder(strings.NewReader(definition))
	if _, err := nextElement(d); err != nil { // <domain>
		return r, nil, fmt.Errorf("read <metadata>: %w", err)
	}
	for {
		section, err := nextElement(d)
		if errors.Is(err, io.EOF) {
			return r, others, nil
		}
		if err == nil && section.Name.Local != "metadata" {
			err = d.Skip()
		} else if err == nil {
			r, others, err = readSections(d)
		}
		if err != nil {
			return r, others, fmt.Errorf("read <metadata>: %w", err)
		}
	}
}

// readSections reads the content of <metadata>.
func readSections(d *xml.Decoder) (rules, []string, error) {
	var r rules
	var others []string
	var fault error
	for {
		child, err := nextElement(d)
		if errors.Is(err, io.EOF) {
			return r, others, fault
		}
		if err != nil {
			return r, others, err
		}
		if child.Name.Space == metadataURI {
			r, err = readRules(d)
			if err != nil && !errors.Is(err, errHistory) && !errors.Is(err, errRule) {
				return r, others, err // d may stand anywhere
			}
			fault = err
			continue
		}
		others = append(others, child.Name.Space)
		if err := d.Skip(); err != nil {
			return r, others, err
		}
	}
}
