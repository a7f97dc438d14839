package libvirt

import (
	"errors"
	"slices"

	lv "libvirt.org/go/libvirt"
)

// hasCode reports whether err comes from libvirt with one of the codes.
func hasCode(err error, codes ...lv.ErrorNumber) bool {
	var e lv.Error
	if !errors.As(err, &e) {
		return false
	}
	return slices.Contains(codes, e.Code)
}

// noSupport reports that the driver or the version of libvirt does not offer
// what was asked for.
func noSupport(err error) bool {
	return hasCode(err, lv.ERR_NO_SUPPORT, lv.ERR_OPERATION_UNSUPPORTED, lv.ERR_ARGUMENT_UNSUPPORTED)
}

// noDomain reports that libvirt was asked and knows no such domain.
func noDomain(err error) bool { return hasCode(err, lv.ERR_NO_DOMAIN) }

// message is libvirt's own text, without the binding's decoration.
func message(err error) string {
	var e lv.Error
	if errors.As(err, &e) && e.Message != "" {
		return e.Message
	}
	return err.Error()
}
