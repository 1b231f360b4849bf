package h323

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

var (
	anyAddress = rapid.Custom(func(t *rapid.T) netip.AddrPort {
		port := rapid.Uint16().Draw(t, "port")
		if rapid.Bool().Draw(t, "ipv6") {
			b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip")
			b[0] |= 0x20 // not IPv4-mapped
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)), port)
		}
		b := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ip")
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), port)
	})
	maybeAddress = rapid.OneOf(anyAddress, rapid.Just(netip.AddrPort{}))
	anyGUID      = rapid.Custom(func(t *rapid.T) [16]byte {
		return [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "guid"))
	})
	anyAlias = rapid.Custom(func(t *rapid.T) Alias {
		a := Alias{Kind: rapid.SampledFrom([]AliasKind{AliasH323ID, AliasURL, AliasDigits}).Draw(t, "kind")}
		a.Value = rapid.StringMatching([]string{"[a-zäöü0-9]{1,40}", "[a-z:@.]{1,80}", "[0-9#*,]{1,40}"}[a.Kind]).Draw(t, "alias")
		return a
	})
	anyChannel = rapid.Custom(func(t *rapid.T) Channel {
		return Channel{
			Number:       rapid.Uint16().Draw(t, "number"),
			Reverse:      rapid.Bool().Draw(t, "reverse"),
			Session:      rapid.Byte().Draw(t, "session"),
			Codec:        rapid.SampledFrom([]Codec{CodecG711Ulaw, CodecG711Alaw, CodecH261, CodecH263}).Draw(t, "codec"),
			Media:        maybeAddress.Draw(t, "media"),
			MediaControl: maybeAddress.Draw(t, "mediaControl"),
		}
	})
	anyControl = rapid.Custom(func(t *rapid.T) Control {
		number := rapid.Uint16().Draw(t, "number")
		data := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data")
		channel := anyChannel.Draw(t, "channel")
		codecs := rapid.SliceOfN(rapid.SampledFrom([]Codec{CodecG711Ulaw, CodecG711Alaw, CodecH261, CodecH263}), 0, 6).Draw(t, "codecs")
		return rapid.SampledFrom([]Control{
			channel, channel,
			ChannelAck{Number: number, Session: channel.Session, Media: channel.Media, MediaControl: channel.MediaControl},
			ChannelReject{Number: number},
			ChannelClose{Number: number},
			ChannelCloseAck{Number: number},
			EndSession{},
			NonStandardControl{Data: data},
			NonStandardControl{Data: data, Indication: true},
			Determination{TerminalType: channel.Session, Number: rapid.Uint32Max(1<<24-1).Draw(t, "determination")},
			DeterminationAck{Slave: channel.Reverse},
			CapabilitySet{Sequence: channel.Session, Codecs: codecs},
			CapabilitySetAck{Sequence: channel.Session},
		}).Draw(t, "control")
	})
	anyBody = rapid.Custom(func(t *rapid.T) CallBody {
		channels := rapid.SliceOfN(anyChannel, 0, 6).Draw(t, "fastStart")
		h245 := maybeAddress.Draw(t, "h245Address")
		switch rapid.IntRange(0, 4).Draw(t, "body") {
		case 0:
			setup := SetupBody{
				ExtensionBits:           rapid.IntRange(7, 28).Draw(t, "bits"),
				Source:                  rapid.SliceOfN(anyAlias, 0, 3).Draw(t, "source"),
				Destination:             rapid.SliceOfN(anyAlias, 0, 3).Draw(t, "destination"),
				SourceCallSignalAddress: maybeAddress.Draw(t, "sourceCallSignalAddress"),
				DestCallSignalAddress:   maybeAddress.Draw(t, "destCallSignalAddress"),
				H245Address:             h245,
				ConferenceID:            anyGUID.Draw(t, "conferenceID"),
				FastStart:               channels,
				Product:                 rapid.StringMatching("[a-z]{0,200}").Draw(t, "product"),
			}
			if setup.ExtensionBits > 24 {
				setup.ParallelH245Control = rapid.SliceOfN(anyControl, 0, 3).Draw(t, "parallelH245Control")
			}
			return setup
		case 1:
			return AnswerBody{
				Message:      rapid.SampledFrom([]Message{CallProceeding, Alerting, Connect, Progress}).Draw(t, "answer"),
				H245Address:  h245,
				FastStart:    channels,
				ConferenceID: anyGUID.Draw(t, "conferenceID"),
			}
		case 2:
			return FacilityBody{
				Reason:             FacilityReason(rapid.ByteMax(byte(FacilityTransportedInformation)).Draw(t, "reason")),
				AlternativeAddress: maybeAddress.Draw(t, "alternativeAddress"),
				H245Address:        h245,
				FastStart:          channels,
			}
		case 3:
			return ReleaseBody{Reason: ReleaseReason(rapid.IntRange(0, numReleaseReasons-1).Draw(t, "reason"))}
		}
		return nil
	})
	anyCall = rapid.Custom(func(t *rapid.T) CallMessage {
		m := CallMessage{
			Reference:  rapid.Uint16Max(0x7FFF).Draw(t, "reference"),
			FromCallee: rapid.Bool().Draw(t, "fromCallee"),
			Display:    rapid.StringMatching("[ -z]{0,80}").Draw(t, "display"),
			ID:         anyGUID.Draw(t, "callIdentifier"),
			Body:       anyBody.Draw(t, "body"),
			Tunnelling: rapid.Bool().Draw(t, "tunnelling"),
			Control:    rapid.SliceOfN(anyControl, 0, 3).Draw(t, "h245Control"),
		}
		if _, ok := m.Body.(SetupBody); !ok {
			m.Version = rapid.ByteRange(3, 8).Draw(t, "version")
		}
		return m
	})
	anyRAS = rapid.Custom(func(t *rapid.T) RASMessage {
		one := anyAddress.Draw(t, "address")
		list := rapid.SliceOfN(anyAddress, 0, 3).Draw(t, "addresses")
		aliases := rapid.SliceOfN(anyAlias, 0, 3).Draw(t, "aliases")
		name := rapid.StringMatching("[a-zµ€]{1,20}").Draw(t, "name")
		number := rapid.Uint32().Draw(t, "number")
		return RASMessage{
			Seq:         rapid.Uint16().Draw(t, "seq"),
			Version:     rapid.ByteRange(2, 8).Draw(t, "version"),
			NonStandard: rapid.SliceOfN(rapid.Byte(), -1, 200).Draw(t, "nonStandard"),
			Body: rapid.SampledFrom([]RASBody{
				GatekeeperRequest{RASAddress: one, Gatekeeper: name, Aliases: aliases},
				GatekeeperRequest{RASAddress: one, Aliases: aliases},
				GatekeeperConfirm{RASAddress: one, Gatekeeper: name},
				RegistrationRequest{
					CallSignalAddress: list, RASAddresses: []netip.AddrPort{one}, Aliases: aliases, Endpoint: name, TimeToLive: number,
				},
				RegistrationConfirm{CallSignalAddress: list, Aliases: aliases, Endpoint: name, TimeToLive: number},
				UnregistrationRequest{CallSignalAddress: list, Aliases: aliases, Endpoint: name},
				UnregistrationConfirm{},
				AdmissionRequest{
					Endpoint: name, Source: aliases, DestCallSignalAddress: one, Bandwidth: number,
					SrcCallSignalAddress: maybeAddress.Draw(t, "srcCallSignalAddress"), ID: anyGUID.Draw(t, "callIdentifier"),
				},
				AdmissionConfirm{DestCallSignalAddress: one, Bandwidth: number, Routed: number%2 == 0},
				RASReject{Message: GRJ, Gatekeeper: name},
				RASReject{Message: RRJ},
				RASReject{Message: ARJ},
			}).Draw(t, "body"),
		}
	})
	anyComposed = rapid.Custom(func(t *rapid.T) composed {
		c := composed{kind: rapid.SampledFrom([]string{"call", "call", "ras", "h245"}).Draw(t, "kind")}
		var err error
		switch c.kind {
		case "call":
			c.msg, c.spans, err = anyCall.Draw(t, "message").Append(nil)
		case "ras":
			c.msg, c.spans, err = anyRAS.Draw(t, "message").Append(nil)
		default:
			c.msg, c.spans, err = AppendControlTPKT(nil, anyControl.Draw(t, "message"))
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
)

// TestComposeDissectedAny has tshark read messages with everything drawn at random.
func TestComposeDissectedAny(t *testing.T) {
	var cases []composed
	for i := range 300 {
		c := anyComposed.Example(i)
		c.name = fmt.Sprint(i)
		cases = append(cases, c)
	}
	checkDissected(t, cases)
}
