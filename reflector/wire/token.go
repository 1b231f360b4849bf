package wire

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
)

// A Token names a session inside the probes: 16 random octets. It fits an H.225 callIdentifier as it is, and it is the
// only thing that makes a reflector answer. Whoever reads the path can read it, so it grants no more than receipts;
// fetching them takes the session's secret, which never appears on a probed port.
type Token [16]byte

// NewToken returns a token from the system's random source.
func NewToken() Token {
	var t Token
	rand.Read(t[:]) // never fails: crypto/rand
	return t
}

// A Tag is what one message carries: the session's token and the message's number within the session, so that a receipt
// can be laid beside what was sent even where an application gateway rewrote half of the message.
type Tag struct {
	Token  Token
	Number uint32 // 0 to MaxNumber
}

const (
	// MaxNumber is the largest message number that a tag can hold: 20 bits.
	MaxNumber = 1<<20 - 1

	// TagLen is the length of a tag's text in octets: the prefix, 26 digits of token, 4 digits of number.
	TagLen = len(tagPrefix) + tokenDigits + numberDigits

	tagPrefix    = "nfx"
	tokenDigits  = 26
	numberDigits = 4
	alphabet     = "abcdefghijklmnopqrstuvwxyz234567"
)

// encoding is RFC 4648 base32 in lower case without padding: letters and digits only, so that it is a SIP token, a SIP
// user, part of a host name and of an H.323 alias, and survives a box that lowers the case of what it copies.
var encoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// digit returns what an octet stands for as a digit, or false.
func digit(c byte) (uint32, bool) {
	switch {
	case 'a' <= c && c <= 'z':
		return uint32(c - 'a'), true
	case '2' <= c && c <= '7':
		return uint32(c-'2') + 26, true
	}
	return 0, false
}

// String returns the 26 digits of the token.
func (t Token) String() string { return encoding.EncodeToString(t[:]) }

// MarshalText gives the 26 digits of the token.
func (t Token) MarshalText() ([]byte, error) { return encoding.AppendEncode(nil, t[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (t *Token) UnmarshalText(text []byte) error {
	if len(text) != tokenDigits {
		return fmt.Errorf("token: %d digits, want %d", len(text), tokenDigits)
	}
	var out Token
	if !out.decode(text) {
		return errors.New("token: not the 26 base32 digits of 16 octets")
	}
	*t = out
	return nil
}

// decode reads the 26 digits of a token. It does what encoding would, but it allocates nothing, skips no line ends, and
// takes one text only for each token: the last digit has two bits that hold nothing, and they must be zero. It runs for
// every datagram that looks like a probe before anything else is known of it.
func (t *Token) decode(digits []byte) bool {
	var bits uint32
	var n int
	out := t[:0]
	for _, c := range digits[:tokenDigits] {
		v, ok := digit(c)
		if !ok {
			return false
		}
		bits, n = bits<<5|v, n+5
		if n >= 8 {
			n -= 8
			out = append(out, byte(bits>>n))
			bits &= 1<<n - 1
		}
	}
	return bits == 0
}

// String returns the tag as it stands in a message: "nfx", 26 digits of token, 4 digits of number.
func (t Tag) String() string { return string(t.Append(nil)) }

// Append appends the tag's text, TagLen octets, to dst.
func (t Tag) Append(dst []byte) []byte {
	dst = append(dst, tagPrefix...)
	dst = encoding.AppendEncode(dst, t.Token[:])
	for shift := 5 * (numberDigits - 1); shift >= 0; shift -= 5 {
		dst = append(dst, alphabet[t.Number>>shift&31])
	}
	return dst
}

// maxCandidates bounds the work that one hostile message can cause.
const maxCandidates = 16

// Tags yields the tags that stand in b, in order: at most 16 candidates are looked at. It needs no parser, so a tag is
// found in a message that somebody damaged, too.
func Tags(b []byte) func(yield func(Tag) bool) {
	return func(yield func(Tag) bool) {
		rest := b // not b itself: the iterator can be used twice
		for range maxCandidates {
			i := bytes.Index(rest, []byte(tagPrefix))
			if i < 0 || len(rest)-i < TagLen {
				return
			}
			tag, ok := parseTag(rest[i : i+TagLen])
			if !ok {
				rest = rest[i+1:]
				continue
			}
			if !yield(tag) {
				return
			}
			rest = rest[i+TagLen:]
		}
	}
}

// FindTag returns the tag in b that carries the given token, the one with the highest number if there are several: a
// message may repeat tags of those that it belongs to (an ACK holds its INVITE's branch), and its own is the newest.
func FindTag(b []byte, token Token) (found Tag, ok bool) {
	for tag := range Tags(b) {
		if tag.Token == token && (!ok || tag.Number > found.Number) {
			found, ok = tag, true
		}
	}
	return found, ok
}

func parseTag(text []byte) (Tag, bool) {
	var tag Tag
	digits := text[len(tagPrefix):]
	if !tag.Token.decode(digits) {
		return Tag{}, false
	}
	for _, c := range digits[tokenDigits:] {
		v, ok := digit(c)
		if !ok {
			return Tag{}, false
		}
		tag.Number = tag.Number<<5 | v
	}
	return tag, true
}
