package h323

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestComposeDissected has tshark read every message: nothing may be malformed, and the addresses must be where the composer
// says that they are, and no others anywhere.
func TestComposeDissected(t *testing.T) {
	var cases []composed
	for _, c := range composeCases(t) {
		if c.kind != "bare" { // these are dissected within h245Control
			cases = append(cases, c)
		}
	}
	checkDissected(t, cases)
}

func checkDissected(t *testing.T, cases []composed) {
	t.Helper()
	for i, packet := range dissectComposed(t, cases) {
		c := cases[i]
		t.Run(c.name, func(t *testing.T) {
			for _, problem := range packet.problems {
				t.Error(problem)
			}
			for _, want := range c.want {
				name, value, valued := strings.Cut(want, "=")
				if !slices.ContainsFunc(packet.fields, func(f pdmlField) bool {
					return f.Name == name && (!valued || f.show() == value)
				}) {
					t.Errorf("no %s", want)
				}
			}
			var got []string
			for _, f := range packet.fields {
				switch f.Name {
				case "h225.ipV4", "h225.ipV4_port", "h225.ipV6", "h225.ipV6_port",
					"h225.h245Ip", "h225.h245IpPort", "h225.h245Ip6", "h225.h245Ip6port",
					"h245.ip4_network", "h245.tsapIdentifier", "h245.ip6_network", "h245.ipv6.tsapIdentifier":
					got = append(got, fmt.Sprintf("%d+%d %s", f.Pos-packet.header, f.Size, f.Value))
				}
			}
			var want []string
			for _, s := range c.spans {
				want = append(want, fmt.Sprintf("%d+%d %s", s.Off, s.End-s.Off, hex.EncodeToString(s.Bytes(c.msg))))
			}
			if !slices.Equal(got, want) {
				t.Errorf("addresses %v, want %v", got, want)
			}
		})
	}
}

// pdmlField is an element of the dissection. Pos and Size are octets of the packet.
type pdmlField struct {
	Name  string `xml:"name,attr"`
	Show  string `xml:"show,attr"`
	Value string `xml:"value,attr"`
	Label string `xml:"showname,attr"`
	Pos   int    `xml:"pos,attr"`
	Size  int    `xml:"size,attr"`
}

// show is the value as a person would write it.
func (f pdmlField) show() string {
	switch f.Name {
	case "h225.h245Tunnelling", "h225.keepAlive", "h225.answerCall":
		_, label, _ := strings.Cut(f.Label, ": ")
		return label
	case "q931.call_ref":
		return f.Value
	}
	return f.Show
}

type pdmlPacket struct {
	fields   []pdmlField
	problems []string
	header   int // octets before the message
}

func dissectComposed(t *testing.T, cases []composed) []pdmlPacket {
	t.Helper()
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		if os.Getenv("NOFIXUP_LAB") == "required" {
			t.Fatalf("NOFIXUP_LAB=required: %v", err)
		}
		t.Skipf("needs tshark: %v", err)
	}
	file := filepath.Join(t.TempDir(), "compose.pcap")
	capture, headers := composedPcap(cases)
	if err := os.WriteFile(file, capture, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tshark, "-n", "-r", file, "-T", "pdml", "-d", "tcp.port==4000,h245",
		"-o", "tcp.analyze_sequence_numbers:FALSE")
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("tshark: %v\n%s", err, stderr.String())
	}
	var packets []pdmlPacket
	proto := ""
	for d := xml.NewDecoder(&out); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		start, ok := token.(xml.StartElement)
		switch {
		case !ok:
		case start.Name.Local == "packet":
			packets = append(packets, pdmlPacket{header: headers[len(packets)]})
		case start.Name.Local == "proto" || start.Name.Local == "field":
			var f pdmlField
			for _, a := range start.Attr {
				switch a.Name.Local {
				case "name":
					f.Name = a.Value
				case "show":
					f.Show = a.Value
				case "showname":
					f.Label = a.Value
				case "value":
					f.Value = a.Value
				case "pos":
					fmt.Sscan(a.Value, &f.Pos)
				case "size":
					fmt.Sscan(a.Value, &f.Size)
				}
			}
			p := &packets[len(packets)-1]
			p.fields = append(p.fields, f)
			if start.Name.Local == "proto" {
				proto = f.Name
			}
			if strings.HasPrefix(f.Name, "_ws.malformed") || strings.HasPrefix(f.Name, "_ws.expert") || proto == "data" {
				p.problems = append(p.problems, fmt.Sprintf("%s: %s %s", proto, f.Name, f.Label))
			}
		}
	}
	if len(packets) != len(cases) {
		t.Fatalf("%d packets, want %d", len(packets), len(cases))
	}
	return packets
}

// composedPcap puts each message into a packet, the first of its flow, and says how many octets stand before the message.
func composedPcap(cases []composed) (file []byte, headers []int) {
	le, be := binary.LittleEndian, binary.BigEndian
	file = le.AppendUint32(nil, 0xA1B2C3D4)
	file = le.AppendUint16(le.AppendUint16(file, 2), 4)
	file = le.AppendUint32(le.AppendUint64(file, 0), 1<<18)
	file = le.AppendUint32(file, 101) // LINKTYPE_RAW: begins with IP
	for i, c := range cases {
		port := map[string]uint16{"call": 1720, "h245": 4000, "ras": 1719}[c.kind]
		transport := be.AppendUint16(nil, uint16(30000+i))
		transport = be.AppendUint16(transport, port)
		protocol := byte(17)
		if c.kind == "ras" {
			transport = be.AppendUint16(transport, uint16(8+len(c.msg)))
			transport = append(transport, 0, 0)
		} else {
			protocol = 6
			transport = append(transport, 0, 0, 0, 1, 0, 0, 0, 1, 5<<4, 0x18, 0xFF, 0xFF, 0, 0, 0, 0)
		}
		ip := be.AppendUint16([]byte{0x45, 0}, uint16(20+len(transport)+len(c.msg)))
		ip = append(ip, 0, byte(i), 0, 0, 64, protocol, 0, 0, 192, 168, 1, 10, 203, 0, 113, 10)
		packet := slices.Concat(ip, transport, c.msg)
		file = le.AppendUint64(file, uint64(i)) // time
		file = le.AppendUint32(le.AppendUint32(file, uint32(len(packet))), uint32(len(packet)))
		file = append(file, packet...)
		headers = append(headers, len(ip)+len(transport))
	}
	return file, headers
}
