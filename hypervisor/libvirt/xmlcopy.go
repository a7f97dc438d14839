package libvirt

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const xmlURI = "http://www.w3.org/XML/1998/namespace"

// ncName is a name without a prefix. The decoder takes v:0 for one with a
// prefix, although 0 is no name; libvirt's parser does not.
var ncName = regexp.MustCompile(`^[\pL_][\pL\pN\pM._-]*$`)

// copyElement writes the element that begins with start, and all that is in
// it, so that it means the same wherever it is put: every namespace is
// declared where it is used. around is the default namespace at that place.
// Elements of our own namespace are written without one, which means the same
// to us. Comments and processing instructions are left out.
func copyElement(b *strings.Builder, d *xml.Decoder, start xml.StartElement, around string, depth int) error {
	if depth > metadataDepthMax {
		return fmt.Errorf("elements are nested more than %d deep", metadataDepthMax)
	}
	for _, name := range append([]xml.Attr{{Name: start.Name}}, start.Attr...) {
		if !ncName.MatchString(name.Name.Local) {
			return fmt.Errorf("%.40q is not a name", name.Name.Local)
		}
	}
	space := start.Name.Space
	if space == metadataURI {
		space = ""
	}
	b.WriteString("<" + start.Name.Local)
	if space != around {
		attribute(b, "xmlns", space)
	}
	copyAttributes(b, start.Attr)
	b.WriteString(">")
	for {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := copyElement(b, d, t, space, depth+1); err != nil {
				return err
			}
		case xml.CharData:
			_ = xml.EscapeText(b, t)
		case xml.EndElement:
			b.WriteString("</" + start.Name.Local + ">")
			return nil
		}
	}
}

func copyAttributes(b *strings.Builder, attrs []xml.Attr) {
	prefixes := 0
	for _, a := range attrs {
		switch a.Name.Space {
		case "xmlns": // declarations are made anew
		case "":
			if a.Name.Local != "xmlns" {
				attribute(b, a.Name.Local, a.Value)
			}
		case xmlURI:
			attribute(b, "xml:"+a.Name.Local, a.Value)
		default:
			prefix := "n" + strconv.Itoa(prefixes)
			prefixes++
			attribute(b, "xmlns:"+prefix, a.Name.Space)
			attribute(b, prefix+":"+a.Name.Local, a.Value)
		}
	}
}

func attribute(b *strings.Builder, name, value string) {
	b.WriteString(" " + name + `="`)
	_ = xml.EscapeText(b, []byte(value))
	b.WriteString(`"`)
}
