package h323

import "cmp"

// Codec is a data type of a channel or a capability.
type Codec uint8

// The codecs that every H.323 endpoint has (H.323 6.2.4, 6.2.5), and those usual besides.
const (
	CodecG711Ulaw Codec = iota // g711Ulaw64k
	CodecG711Alaw              // g711Alaw64k
	CodecH261
	CodecH263
)

// Video says whether it is a video codec.
func (d Codec) Video() bool { return d == CodecH261 || d == CodecH263 }

const (
	framesPerPacket = 20   // of a millisecond each, as G.711 has them here
	videoRate       = 3840 // in units of 100 bit/s
)

// audio writes an AudioCapability.
func (c *composer) audio(d Codec) {
	index := 0
	switch d {
	case CodecG711Ulaw:
		index = 3
	case CodecG711Alaw:
		index = 1
	default:
		c.Fail("codec %d", d)
	}
	c.choice(index, 14, func() { c.Int(framesPerPacket, 1, 256) })
}

// video writes a VideoCapability: CIF and QCIF at up to 384 kbit/s.
func (c *composer) video(d Codec) {
	if d == CodecH261 {
		c.choice(1, 5, func() {
			c.Bits(0b0_11, 3) // qcifMPI, cifMPI
			c.Int(1, 1, 4)
			c.Int(1, 1, 4)
			c.Bool(false) // temporalSpatialTradeOffCapability
			c.Int(videoRate, 1, 19200)
			c.Bool(false) // stillImageTransmission
		})
		return
	}
	c.choice(3, 5, func() {
		c.Bits(0b0_0110000, 8) // qcifMPI, cifMPI of sqcifMPI to cif16MPI, hrd-B, bppMaxKb
		c.Int(1, 1, 32)
		c.Int(1, 1, 32)
		c.Int(videoRate, 1, 192400)
		c.Bits(0b00000, 5) // unrestrictedVector to temporalSpatialTradeOffCapability
	})
}

// CapabilitySet is a terminalCapabilitySet. The zero value says that its sender can receive G.711 and H.261.
type CapabilitySet struct {
	// Sequence is the sequenceNumber that the acknowledgement repeats.
	Sequence uint8
	// Version is the version of H.245; 0 stands for 7, which goes with version 4 of H.225.0.
	Version uint8
	// Codecs is what can be received, one of the audio and one of the video codecs at a time, at most 256. None stands for
	// G.711 in both forms and H.261.
	Codecs []Codec
}

func (CapabilitySet) message() Message { return TerminalCapabilitySet }

func (m CapabilitySet) control(c *composer) {
	codecs := m.Codecs
	if len(codecs) == 0 {
		codecs = []Codec{CodecG711Ulaw, CodecG711Alaw, CodecH261}
	}
	version := cmp.Or(m.Version, 7)
	if version > 127 {
		c.Fail("version %d of H.245", version) // it would take two octets
	}
	c.h245(controlRequest, 2)
	c.Bits(0b0_111, 4) // multiplexCapability, capabilityTable, capabilityDescriptors
	c.Int(uint64(m.Sequence), 0, 255)
	c.String(0x00, 0x08, 0x81, 0x75, 0x00, version)
	c.choice(firstExtension, 4, c.h2250Capability)
	c.size("capabilityTable", len(codecs), 256)
	var audio, video []uint64
	for i, d := range codecs {
		entry := uint64(i + 1)
		c.Bool(true) // capability
		c.Int(entry, 1, 65535)
		if d.Video() {
			video = append(video, entry)
			c.choice(1, 12, func() { c.video(d) }) // receiveVideoCapability
		} else {
			audio = append(audio, entry)
			c.choice(4, 12, func() { c.audio(d) }) // receiveAudioCapability
		}
	}
	c.descriptor(audio, video)
}

// descriptor writes capabilityDescriptors with one: each of the sets that is not empty gives one capability at a time.
func (c *composer) descriptor(sets ...[]uint64) {
	filled := 0
	for _, s := range sets {
		if len(s) > 0 {
			filled++
		}
	}
	c.Int(1, 1, 256)
	c.Bool(true) // simultaneousCapabilities
	c.Int(0, 0, 255)
	c.Int(uint64(filled), 1, 256)
	for _, s := range sets {
		if len(s) == 0 {
			continue
		}
		c.Int(uint64(len(s)), 1, 256)
		for _, entry := range s {
			c.Int(entry, 1, 65535)
		}
	}
}

// h2250Capability writes an H2250Capability: unicast, with media and control at one place.
func (c *composer) h2250Capability() {
	c.Bool(false)
	c.Int(60, 0, 1023) // maximumAudioDelayJitter in milliseconds
	for range 3 {      // receive, transmit, both
		c.Bits(0b0_00, 3) // multicastCapability, multiUniCastConference
		c.Length(1)       // mediaDistributionCapability
		c.Bits(0b0_00, 3) // centralizedData, distributedData
		c.Bits(0b101010, 6)
	}
	c.Bits(0b0_00, 3) // mcCapability: neither
	c.Bool(false)     // rtcpVideoControlCapability
	c.Bits(0b0_0, 2)  // mediaPacketizationCapability: no h261aVideoPacketization
}

// CapabilitySetAck is a terminalCapabilitySetAck. Sequence is that of the set.
type CapabilitySetAck struct{ Sequence uint8 }

func (CapabilitySetAck) message() Message { return TerminalCapabilitySetAck }

func (m CapabilitySetAck) control(c *composer) {
	c.h245(controlResponse, 3)
	c.Bool(false)
	c.Int(uint64(m.Sequence), 0, 255)
}
