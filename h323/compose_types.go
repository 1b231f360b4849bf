package h323

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Alias is an AliasAddress to be composed. The zero value is not valid: every kind holds a character at least.
type Alias struct {
	Kind  AliasKind
	Value string
}

// AliasKind says which alternative of AliasAddress an alias is.
type AliasKind uint8

// The kinds.
const (
	AliasH323ID AliasKind = iota // h323-ID: up to 256 characters of the basic multilingual plane
	AliasURL                     // url-ID: up to 512 characters of ASCII
	AliasDigits                  // dialledDigits: up to 128 of 0123456789#*,
)

// digits are the characters of dialledDigits in the order of their codes, which is the order of ASCII (X.691 27.5.4).
const digits = "#*,0123456789"

func (c *composer) aliases(list []Alias) {
	c.Length(len(list))
	for _, a := range list {
		switch a.Kind {
		case AliasH323ID:
			c.choice(1, 2, func() { c.bmp("h323-ID", a.Value, 256) })
		case AliasURL:
			c.choice(firstExtension, 2, func() {
				c.size("url-ID", len(a.Value), 512)
				c.ascii("url-ID", a.Value)
				c.Octets([]byte(a.Value)...)
			})
		case AliasDigits:
			c.choice(0, 2, func() { c.digits(a.Value) })
		default:
			c.Fail("alias kind %d", a.Kind)
		}
	}
}

func (c *composer) digits(value string) {
	c.size("dialledDigits", len(value), 128)
	c.Align()
	for _, r := range value {
		code := strings.IndexRune(digits, r)
		if code < 0 {
			c.Fail("dialledDigits: %q is none", r)
		}
		c.Bits(uint64(code), 4)
	}
}

// bmp writes a BMPString of 1 to most characters.
func (c *composer) bmp(name, value string, most int) {
	if !utf8.ValidString(value) {
		c.Fail("%s: no valid UTF-8", name)
	}
	c.size(name, utf8.RuneCountInString(value), most)
	c.Align()
	for _, r := range value {
		if r > 0xFFFF {
			c.Fail("%s: %q is outside of the basic multilingual plane", name, r)
		}
		c.Bits(uint64(r), 16)
	}
}

func (c *composer) size(name string, n, most int) {
	if n < 1 || n > most {
		c.Fail("%s: length %d, 1 to %d can be sent", name, n, most)
		return
	}
	c.Int(uint64(n), 1, uint64(most))
}

func (c *composer) ascii(name, value string) {
	for i := range len(value) {
		if value[i] >= utf8.RuneSelf {
			c.Fail("%s: octet %d is not ASCII", name, i)
		}
	}
}

// An address is given as a netip.AddrPort everywhere: IPv4, also in its IPv6-mapped form, becomes ipAddress and IPv6
// ip6Address, without the zone. The zero value is an address that is not sent.

// transport writes a TransportAddress of H.225.0.
func (c *composer) transport(f Field, index int, a netip.AddrPort) {
	if !a.IsValid() {
		c.Fail("%s: no address", f)
		return
	}
	if a = unmap(a); a.Addr().Is4() {
		c.choice(0, 7, func() { c.address(f, index, a) })
		return
	}
	c.choice(3, 7, func() {
		c.Bool(false)
		c.address(f, index, a)
	})
}

func (c *composer) transports(f Field, list []netip.AddrPort) {
	c.Length(len(list))
	for i, a := range list {
		c.transport(f, i, a)
	}
}

// transport245 writes a TransportAddress of H.245: unicastAddress, then iPAddress or iP6Address, which are extensible.
func (c *composer) transport245(f Field, a netip.AddrPort) {
	index := 0
	if a = unmap(a); a.Addr().Is6() {
		index = 2
	}
	c.choice(0, 2, func() {
		c.choice(index, 5, func() {
			c.Bool(false)
			c.address(f, 0, a)
		})
	})
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// identifier writes the protocolIdentifier {itu-t(0) recommendation(0) h(8) 2250 version(0) v}.
func (c *composer) identifier(version uint8) {
	if version < 2 || version > 8 {
		c.Fail("version %d of H.225.0, 2 to 8 can be sent", version)
	}
	c.String(0x00, 0x08, 0x91, 0x4A, 0x00, version)
}

// endpoint writes an EndpointType: a terminal with a vendor.
func (c *composer) endpoint(product string) {
	c.Bits(0b0_010001, 7) // vendor and terminal
	c.vendor(product)
	c.Bits(0b00, 2) // TerminalInfo without nonStandardData
	c.Bits(0b00, 2) // mc, undefinedNode
}

// vendor writes a VendorIdentifier. No product stands for the program's own.
func (c *composer) vendor(product string) {
	if product == "" {
		product = "nofixup"
	}
	c.Bits(0b0_10, 3) // productId, no versionId
	c.Bool(false)
	c.h221()
	c.size("productId", len(product), 256)
	c.Octets([]byte(product)...)
}

// h221 writes the octets of an H221NonStandard: the country code of the United States (T.35 Annex A) and a manufacturer code
// that is no known vendor's.
func (c *composer) h221() { c.Octets(181, 0, 0xFF, 0xFF) }

// nonStandard writes a NonStandardParameter of H.225.0.
func (c *composer) nonStandard(data []byte) {
	c.choice(1, 2, func() {
		c.Bool(false)
		c.h221()
	})
	c.String(data...)
}
