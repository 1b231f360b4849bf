package alg

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/rogpeppe/go-internal/txtar"

	"nofixup/h323"
)

// wireMessage is a message as the composer made it, with the addresses in it.
type wireMessage struct {
	raw   []byte
	spans []h323.Span
}

func composed(raw []byte, spans []h323.Span, err error) wireMessage {
	if err != nil {
		panic(err) // what goes in stands below
	}
	return wireMessage{raw, spans}
}

func callMessage(body h323.CallBody, control ...h323.Control) wireMessage {
	return composed(h323.CallMessage{
		Reference: 0x1234, ID: [16]byte{1, 2, 3}, Body: body, Control: control, Tunnelling: len(control) > 0,
	}.Append(nil))
}

func controlMessage(m h323.Control) wireMessage { return composed(h323.AppendControlTPKT(nil, m)) }

func rasMessage(body h323.RASBody) wireMessage {
	return composed(h323.RASMessage{Seq: 7, Body: body}.Append(nil))
}

var publicIP = public.Addr()

// own is a port of the client, wan one of the firewall.
func own(port uint16) netip.AddrPort { return netip.AddrPortFrom(client.Addr(), port) }
func wan(port uint16) netip.AddrPort { return netip.AddrPortFrom(publicIP, port) }

func h225Server() netip.AddrPort { return netip.AddrPortFrom(server.Addr(), 1720) }

// setupBody is what a terminal sends that wants audio at once, with as many extension bits.
func setupBody(bits int) h323.SetupBody {
	return h323.SetupBody{
		ExtensionBits:           bits,
		Source:                  []h323.Alias{{Kind: h323.AliasH323ID, Value: "alice"}},
		Destination:             []h323.Alias{{Kind: h323.AliasDigits, Value: "100"}},
		SourceCallSignalAddress: own(40100), DestCallSignalAddress: h225Server(), H245Address: own(40108),
		FastStart: []h323.Channel{
			{Number: 1, MediaControl: own(40001)},
			{Number: 2, Reverse: true, Media: own(40000), MediaControl: own(40001)},
		},
	}
}

// rewritten returns a message in which one address stands for another, in place: everywhere, or in the fields whose paths
// begin so.
func (m wireMessage) rewritten(from, to netip.Addr, paths ...string) []byte {
	got := bytes.Clone(m.raw)
	for _, s := range m.spans {
		named := len(paths) == 0 || slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(s.Path(), p) })
		if named && s.Part == h323.PartIP && bytes.Equal(s.Bytes(m.raw), from.AsSlice()) {
			copy(got[s.Off:], to.AsSlice())
		}
	}
	return got
}

// translated is what most gateways make of a message on its way out.
func (m wireMessage) translated(paths ...string) []byte {
	return m.rewritten(client.Addr(), publicIP, paths...)
}

// find is where a leaf stands.
func (m wireMessage) find(path string) h323.Span {
	for _, s := range m.spans {
		if s.Path() == path {
			return s
		}
	}
	panic("no " + path)
}

// h323Pair is a file of testdata/pairs whose octets nobody writes by hand: the message comes from the composer, and what
// arrives from a change made to it. With -update the comment and the sections sent and got are written anew from here (then
// TestPairs writes the section want), without it they must be what stands here.
type h323Pair struct {
	name    string
	comment string // with the words that the README of testdata/pairs tells
	sent    wireMessage
	got     func(m wireMessage) []byte
}

func h323Pairs() []h323Pair {
	everywhere := func(m wireMessage) []byte { return m.translated() }
	return []h323Pair{
		{
			"h323-setup-28", "h323: a Setup with 28 extension bits, all addresses of the caller rewritten in place, as Linux does.",
			callMessage(setupBody(28)), everywhere,
		},
		{
			"h323-partly-rewritten", "h323: a Setup with 27 extension bits, of which Linux finds one address alone.",
			callMessage(setupBody(27)), func(m wireMessage) []byte { return m.translated("setup.sourceCallSignalAddress") },
		},
		{
			"h323-unchanged", "h323: nothing differs.",
			callMessage(setupBody(12)), func(m wireMessage) []byte { return m.raw },
		},
		{
			"h323-media-address-rewritten", "h323: the callee accepts two channels in its Alerting.",
			callMessage(h323.AnswerBody{Message: h323.Alerting, FastStart: []h323.Channel{
				{Number: 1, Media: own(40000), MediaControl: own(40001)}, {Number: 2, Reverse: true, MediaControl: own(40001)},
			}}), everywhere,
		},
		{
			"h245-address-rewritten", "h323: a Connect with the address for H.245, whose port was taken on the firewall.",
			callMessage(h323.AnswerBody{Message: h323.Connect, H245Address: own(11000)}),
			func(m wireMessage) []byte {
				got := m.translated()
				port := m.find("connect.h245Address.port")
				copy(got[port.Off:port.End], []byte{0x88, 0x43})
				return got
			},
		},
		{
			"h323-signalling-address-rewritten", "h323, inbound: a call from outside, to the address that the firewall stands for.",
			func() wireMessage {
				body := setupBody(12)
				body.SourceCallSignalAddress, body.DestCallSignalAddress = h225Server(), wan(1720)
				body.H245Address, body.FastStart = netip.AddrPort{}, nil
				return callMessage(body)
			}(),
			func(m wireMessage) []byte {
				return m.rewritten(publicIP, client.Addr(), "setup.destCallSignalAddress")
			},
		},
		{
			"h323-facility-tunnel", "h323: a Facility that carries an openLogicalChannel and an acknowledgement of H.245.",
			callMessage(h323.FacilityBody{},
				h323.Channel{Number: 11, Media: own(40004), MediaControl: own(40005)},
				h323.ChannelAck{Number: 1, Media: own(40006), MediaControl: own(40007)}),
			everywhere,
		},
		{
			"h323-facility-forwarded", "h323: a Facility that sends the caller elsewhere.",
			callMessage(h323.FacilityBody{AlternativeAddress: own(1720)}), everywhere,
		},
		{
			"h323-rewritten", "h323: an alias of the caller became another one.",
			callMessage(setupBody(12)), func(m wireMessage) []byte {
				return bytes.Replace(m.raw, bmp("alice"), bmp("guest"), 1)
			},
		},
		{
			"h323-grown", "h323: an address became one of IPv6, with all the lengths around it set right.",
			callMessage(setupBody(28)), func(wireMessage) []byte {
				body := setupBody(28)
				body.SourceCallSignalAddress = netip.MustParseAddrPort("[2001:db8:ff::2]:40100")
				return callMessage(body).raw
			},
		},
		{
			"h323-octet-inserted", "h323: an octet too many, and no length that says so.",
			callMessage(setupBody(28)), func(m wireMessage) []byte {
				return slices.Insert(bytes.Clone(m.raw), int(m.find("setup.h245Address.port").End), 0)
			},
		},
		{
			"h323-cut", "h323: the end of the message is missing.",
			callMessage(setupBody(28)), func(m wireMessage) []byte {
				return m.raw[:m.find("setup.fastStart[1].mediaChannel.ip").Off]
			},
		},
		{
			"h323-not-tpkt", "h323: what arrives is no message at all.",
			callMessage(h323.FacilityBody{}), func(wireMessage) []byte { return []byte("blocked") },
		},
		{
			"h245-olc", "h245: an openLogicalChannel on a connection of H.245's own.",
			controlMessage(h323.Channel{Number: 11, Media: own(40004), MediaControl: own(40005)}), everywhere,
		},
		{
			"h245-olc-ack", "h245: an acknowledgement, the ports of which were taken on the firewall.",
			controlMessage(h323.ChannelAck{Number: 1, Media: own(34000), MediaControl: own(34001)}),
			func(m wireMessage) []byte {
				return controlMessage(h323.ChannelAck{Number: 1, Media: wan(34002), MediaControl: wan(34003)}).raw
			},
		},
		{
			"ras-address-rewritten", "ras: a terminal looks for its gatekeeper.",
			rasMessage(h323.GatekeeperRequest{RASAddress: own(1719)}), everywhere,
		},
		{
			"ras-registration", "ras: a terminal registers, under its public addresses as the gatekeeper sees it.",
			rasMessage(h323.RegistrationRequest{
				CallSignalAddress: []netip.AddrPort{own(1720)}, RASAddresses: []netip.AddrPort{own(1719)},
				Aliases: []h323.Alias{{Kind: h323.AliasH323ID, Value: "alice"}},
			}),
			everywhere,
		},
	}
}

// bmp is text as a BMPString has it.
func bmp(text string) []byte {
	var out []byte
	for _, c := range utf16.Encode([]rune(text)) {
		out = append(out, byte(c>>8), byte(c))
	}
	return out
}

// writeHex writes a message as the files have it: a leaf begins a line, and its path stands behind it.
func writeHex(proto string, raw []byte) []byte {
	const most = 16 // octets of a line
	var b bytes.Buffer
	for _, l := range h323Lines(proto, raw) {
		for i, part := range slices.Collect(slices.Chunk(raw[l.off:l.end], most)) {
			line := fmt.Sprintf("% x", part)
			if i == 0 && !strings.HasPrefix(l.path, "raw[") {
				line = fmt.Sprintf("%-*s  # %s", 3*most-1, line, l.path)
			}
			b.WriteString(line + "\n")
		}
	}
	return b.Bytes()
}

func TestH323Pairs(t *testing.T) {
	for _, p := range h323Pairs() {
		t.Run(p.name, func(t *testing.T) {
			file := filepath.Join(pairsDir, p.name+".txt")
			proto, _, _ := strings.Cut(strings.ReplaceAll(p.comment, ",", ":"), ":")
			want := map[string][]byte{"sent": p.sent.raw, "got": p.got(p.sent)}
			if *update {
				a := &txtar.Archive{Comment: []byte(p.comment + "\n")}
				for _, name := range []string{"sent", "got"} {
					a.Files = append(a.Files, txtar.File{Name: name, Data: writeHex(proto, want[name])})
				}
				a.Files = append(a.Files, txtar.File{Name: "want"}) // for TestPairs to fill
				if err := os.WriteFile(file, txtar.Format(a), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(a.Comment) != p.comment+"\n" {
				t.Errorf("comment %q", a.Comment)
			}
			for _, s := range a.Files {
				if s.Name == "want" {
					continue
				}
				if raw, err := hexForm(s.Data); err != nil || !bytes.Equal(raw, want[s.Name]) {
					t.Errorf("%s is not what the composer makes: %v", s.Name, err)
				}
			}
		})
	}
}

func TestHexForm(t *testing.T) {
	for in, want := range map[string]string{
		"03 00\n00 04 # tpkt\n\n# nothing\n": "\x03\x00\x00\x04",
		"0a000009":                           "\n\x00\x00\x09",
		"":                                   "",
	} {
		if raw, err := hexForm([]byte(in)); err != nil || string(raw) != want {
			t.Errorf("%q: %q, %v", in, raw, err)
		}
	}
	for _, bad := range []string{"0", "0g", "\\x00"} {
		if raw, err := hexForm([]byte(bad)); err == nil {
			t.Errorf("%q: %q", bad, raw)
		}
	}
}
