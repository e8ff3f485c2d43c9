package collectd

import (
	"bytes"
	"crypto/aes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
)

// The types of parts.
const (
	partHost           = 0x0000
	partTime           = 0x0001
	partPlugin         = 0x0002
	partPluginInstance = 0x0003
	partType           = 0x0004
	partTypeInstance   = 0x0005
	partValues         = 0x0006
	partTimeHR         = 0x0008
	partSign           = 0x0200
	partEncrypt        = 0x0210
)

// The kinds of values.
const (
	kindCounter  = 0
	kindGauge    = 1
	kindDerive   = 2
	kindAbsolute = 3
)

const (
	second   = 1_000_000_000
	maxValue = 9  // bytes of a value, with its kind
	hrBits   = 30 // of a fraction of a second
	hrMask   = 1<<hrBits - 1
	partHead = 4
)

// Packet reads one datagram; now is the time of value lists without one, in Unix nanoseconds. What
// is malformed is refused with all that follows it in the datagram; a value list that is bad, alone.
// It keeps nothing of data.
func (d *Decoder) Packet(data []byte, now int64) {
	d.list = list{}
	if err := d.parts(data, now, SecurityNone); err != nil {
		d.Refuse(0, d.list.id[host], err)
	}
	d.list = list{}
}

// parts reads parts that have come with some security.
func (d *Decoder) parts(data []byte, now int64, has Security) error {
	for len(data) > 0 {
		if len(data) < partHead {
			return fmt.Errorf("%d bytes are too many: %w", len(data), ErrPacket)
		}
		kind, size := binary.BigEndian.Uint16(data), int(binary.BigEndian.Uint16(data[2:]))
		if size < partHead || size > len(data) {
			return fmt.Errorf("part %#04x of %d bytes in %d: %w", kind, size, len(data), ErrPacket)
		}
		content, rest := data[partHead:size], data[size:]
		var err error
		switch kind {
		case partHost, partPlugin, partPluginInstance, partType, partTypeInstance:
			err = d.identify(kind, content)
		case partTime, partTimeHR:
			err = d.setTime(kind, content)
		case partValues:
			err = d.values(content, now, has)
		case partSign:
			if has, err = d.verify(content, rest, has); err != nil {
				return err
			}
		case partEncrypt:
			err = d.decrypt(content, now, has)
		}
		if err != nil {
			return err
		}
		data = rest
	}
	return nil
}

// identify keeps a text that ends with a NUL.
func (d *Decoder) identify(kind uint16, content []byte) error {
	n := len(content) - 1
	if n < 0 || bytes.IndexByte(content, 0) != n {
		return fmt.Errorf("part %#04x is no text: %w", kind, ErrPacket)
	}
	i := host
	switch kind {
	case partPlugin:
		i = plugin
	case partPluginInstance:
		i = pluginInstance
	case partType:
		i = typ
	case partTypeInstance:
		i = typeInstance
	}
	d.list.id[i] = content[:n]
	return nil
}

// setTime keeps a time: seconds, or seconds with 30 binary places.
func (d *Decoder) setTime(kind uint16, content []byte) error {
	if len(content) != 8 {
		return fmt.Errorf("a time of %d bytes: %w", len(content), ErrPacket)
	}
	v := binary.BigEndian.Uint64(content)
	fraction := int64(0)
	if kind == partTimeHR {
		fraction = (int64(v&hrMask)*second + 1<<(hrBits-1)) >> hrBits
		v >>= hrBits
	}
	if v >= math.MaxInt64/second {
		return fmt.Errorf("the time %d is out of range: %w", v, ErrPacket)
	}
	d.list.time = int64(v)*second + fraction
	return nil
}

// values adds a value list.
func (d *Decoder) values(content []byte, now int64, has Security) error {
	n := 0
	if len(content) >= 2 {
		n = int(binary.BigEndian.Uint16(content))
	}
	if len(content) != 2+maxValue*n || n == 0 {
		return fmt.Errorf("%d values in %d bytes: %w", n, len(content), ErrPacket)
	}
	if has < d.Security {
		d.Refuse(0, d.list.id[host], ErrSecurity)
		return nil
	}
	at := d.list.time
	defer func() { d.list.time = at }()
	if err := d.begin(now); err != nil {
		d.Refuse(0, d.list.id[host], err)
		return nil
	}
	kinds, words := content[2:2+n], content[2+n:]
	for i, kind := range kinds {
		v, err := valueOf(kind, words[8*i:])
		if err == nil {
			err = d.add(v, i, n)
		}
		if err != nil {
			d.Refuse(0, d.key, err)
		}
	}
	return nil
}

// valueOf reads one value.
func valueOf(kind byte, b []byte) (value, error) {
	switch kind {
	case kindGauge:
		return gauge(math.Float64frombits(binary.LittleEndian.Uint64(b))), nil
	case kindDerive:
		return integer(int64(binary.BigEndian.Uint64(b))), nil
	case kindCounter, kindAbsolute:
		v := binary.BigEndian.Uint64(b)
		if v > math.MaxInt64 {
			return value{}, fmt.Errorf("%d: %w", v, ErrInteger)
		}
		return integer(int64(v)), nil
	}
	return value{}, fmt.Errorf("kind %d of a value: %w", kind, ErrPacket)
}

// verify checks a signature of rest, and returns the security that rest has. Who knows no users
// cannot check, and takes what is signed as if it were not, as collectd does.
func (d *Decoder) verify(content, rest []byte, has Security) (Security, error) {
	if len(content) <= sha256.Size {
		return has, fmt.Errorf("a signature of %d bytes: %w", len(content), ErrPacket)
	}
	if d.Users == nil {
		return has, nil
	}
	sum, user := content[:sha256.Size], content[sha256.Size:]
	password, ok := d.Users[string(user)]
	mac := hmac.New(sha256.New, []byte(password))
	mac.Write(user)
	mac.Write(rest)
	if !hmac.Equal(mac.Sum(nil), sum) || !ok {
		return has, fmt.Errorf("the signature of %q is wrong, or they are unknown: %w", user, ErrSecurity)
	}
	return max(has, SecuritySign), nil
}

// decrypt reads the parts in an encrypted one: the length of the user's name, it, the initial
// vector, and encrypted the SHA-1 of the parts and the parts.
func (d *Decoder) decrypt(content []byte, now int64, has Security) error {
	if has == SecurityEncrypt {
		return fmt.Errorf("encrypted twice: %w", ErrPacket)
	}
	n := 0
	if len(content) >= 2 {
		n = int(binary.BigEndian.Uint16(content))
	}
	if len(content) <= 2+n+aes.BlockSize+sha1.Size {
		return fmt.Errorf("an encrypted part of %d bytes: %w", len(content), ErrPacket)
	}
	user, vector, text := content[2:2+n], content[2+n:2+n+aes.BlockSize], content[2+n+aes.BlockSize:]
	password, ok := d.Users[string(user)]
	key := sha256.Sum256([]byte(password))
	plain, err := feedback(d.plain[:0], key[:], vector, text)
	if err != nil {
		return fmt.Errorf("%w: %w", err, ErrPacket)
	}
	d.plain = plain
	sum := sha1.Sum(plain[sha1.Size:])
	if !hmac.Equal(sum[:], plain[:sha1.Size]) || !ok {
		return fmt.Errorf("what %q encrypted cannot be decrypted, or they are unknown: %w", user, ErrSecurity)
	}
	outside := d.list
	err = d.parts(plain[sha1.Size:], now, SecurityEncrypt)
	d.list = outside // what it says may be in memory that is used again
	return err
}

// feedback appends text, encrypted or decrypted with AES in output feedback mode (NIST SP 800-38A,
// 6.4), to dst. Go's own is deprecated for new protocols, which this is not.
func feedback(dst, key, vector, text []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return dst, err
	}
	var stream [aes.BlockSize]byte
	copy(stream[:], vector)
	for i, c := range text {
		if i%aes.BlockSize == 0 {
			block.Encrypt(stream[:], stream[:])
		}
		dst = append(dst, c^stream[i%aes.BlockSize])
	}
	return dst, nil
}
