package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tshark runs the referee, or skips the test where it is not there.
func tshark(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("NOFIXUP_LAB") == "required" {
			t.Fatal(err)
		}
		t.Skip("needs tshark")
	}
	var stderr bytes.Buffer
	cmd := exec.Command("tshark", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark %v: %v\n%s", args, err, stderr.String())
	}
	return string(out)
}

// judged is what tshark says of one stream: packets, lost, and the jitter, mean and maximum, in ms.
type judged struct {
	packets, lost uint64
	mean, most    float64
}

func tsharkStreams(t *testing.T, file string) map[string]judged {
	out := map[string]judged{}
	for line := range strings.Lines(tshark(t, "-r", file, "-n", "--enable-heuristic", "rtp_udp", "-q", "-z", "rtp,streams")) {
		f := strings.Fields(line)
		if len(f) < 17 || !strings.HasPrefix(f[6], "0x") {
			continue
		}
		number := func(s string) float64 {
			v, err := strconv.ParseFloat(s, 64)
			if err != nil {
				t.Fatalf("%q in %q", s, line)
			}
			return v
		}
		out[fmt.Sprintf("%s %s %s %s %s", f[2], f[3], f[4], f[5], strings.ToLower(f[6]))] = judged{uint64(number(f[8])), uint64(number(f[9])), number(f[15]), number(f[16])}
	}
	return out
}

// Streams, their losses and their jitter are those that tshark finds: in the captures of the lab, and in one with loss and
// packets that come late.
func TestStreamsAsTshark(t *testing.T) {
	files, err := filepath.Glob("../../testdata/h323/*.pcap")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	r := rand.New(rand.NewPCG(21, 22))
	shots := timed(udpFrame(t, alice, bob, sipMessage("INVITE sip:c@d SIP/2.0", "x", aliceMedia)), udpFrame(t, bob, alice, sipMessage("SIP/2.0 200 OK", "x", bobMedia)))
	for i := range 2000 {
		at := start + int64(i+3)*20*ms
		if r.IntN(50) != 0 {
			shots = append(shots, shot{at: at + r.Int64N(15*ms), data: udpFrame(t, aliceMedia, bobMedia, rtpPacket(t, 0x11223344, 0, 64000+i))})
		}
		if r.IntN(30) != 0 {
			shots = append(shots, shot{at: at + r.Int64N(45*ms), data: udpFrame(t, bobMedia, aliceMedia, rtpPacket(t, 0x55667788, 8, i))})
		}
	}
	slices.SortStableFunc(shots, func(a, b shot) int { return int(a.at - b.at) })
	files = append(files, write(t, pcapFile(binary.LittleEndian, magicNano, 1, shots))...)
	compared := 0
	for _, file := range files {
		want := tsharkStreams(t, file)
		got := analyse(t, file)
		for _, s := range got.Streams {
			key := fmt.Sprintf("%s %d %s %d 0x%08x", s.Src.Addr(), s.Src.Port(), s.Dst.Addr(), s.Dst.Port(), s.SSRC)
			w, ok := want[key]
			if !ok {
				t.Errorf("%s: tshark has no stream %s", file, key)
				continue
			}
			delete(want, key)
			compared++
			if s.Packets != w.packets || s.Lost != w.lost {
				t.Errorf("%s: %s: %d packets, %d lost; tshark has %d, %d", file, key, s.Packets, s.Lost, w.packets, w.lost)
			}
			near := func(d time.Duration, want float64) bool { return math.Abs(float64(d)/1e6-want) < 0.02+want/100 }
			if !near(s.MaxJitter, w.most) || !near(s.MeanJitter, w.mean) {
				t.Errorf("%s: %s: jitter %v and %v at most; tshark has %v and %v ms", file, key, s.MeanJitter, s.MaxJitter, w.mean, w.most)
			}
		}
		for key := range want {
			t.Errorf("%s: only tshark has the stream %s", file, key)
		}
	}
	if compared < 10 {
		t.Errorf("%d streams compared", compared)
	}
}

// Messages are in the frames in which tshark finds them.
func TestMessagesAsTshark(t *testing.T) {
	files, err := filepath.Glob("../../testdata/h323/*.pcap")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	k := talkOf(4, "x") // without pings between the messages: tshark takes no message for one after them
	r := rand.New(rand.NewPCG(31, 32))
	frames := [][]byte{tcpFrame(t, alice, bob, 0, 0, "S", nil), tcpFrame(t, bob, alice, 0, 1, "SA", nil)}
	for _, p := range cut(r, len(k.stream), 500) {
		frames = append(frames, tcpFrame(t, alice, bob, uint32(p.off)+1, 1, "AP", k.stream[p.off:p.end]))
	}
	frames = append(frames, fragmented(t, packetUDP(t, alice, bob, 7, sipMessage("INVITE sip:a@b SIP/2.0", "y", bob, strings.Repeat("a=x\r\n", 500))), 1000)...)
	files = append(files, write(t, pcapFile(binary.LittleEndian, magicNano, 1, timed(frames...)))...)
	for _, file := range files {
		var got, want []int
		for _, m := range analyse(t, file).messages {
			got = append(got, slices.Max(m.Frames))
		}
		for line := range strings.Lines(tshark(t, "-r", file, "-n", "-Y", "sip.CSeq || h225 || h245", "-T", "fields", "-e", "frame.number", "-e", "_ws.col.Protocol")) {
			f := strings.Fields(line)
			n, err := strconv.Atoi(f[0])
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, n)
		}
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s: messages end in frames %v; tshark has %v", file, got, want)
		}
	}
}
