package filter

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// textOf returns what a JSON string says: a part of it, if it has no escapes.
func textOf(value string) string {
	if len(value) < 2 {
		return ""
	}
	inside := value[1 : len(value)-1]
	if strings.IndexByte(inside, '\\') < 0 {
		return inside
	}
	return string(appendText(make([]byte, 0, len(inside)), inside))
}

// appendText appends s, the inside of a JSON string, with its escapes undone.
// Half a surrogate pair, which no stored document has, becomes U+FFFD.
func appendText(dst []byte, s string) []byte {
	for {
		back := strings.IndexByte(s, '\\')
		if back < 0 || back+1 == len(s) {
			return append(dst, s...)
		}
		dst = append(dst, s[:back]...)
		c := s[back+1]
		s = s[back+2:]
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			var r rune
			r, s = unicodeEscape(s)
			dst = utf8.AppendRune(dst, r)
		default: // " \ and /
			dst = append(dst, c)
		}
	}
}

// unicodeEscape reads four hex digits, and the other half of a surrogate pair
// if they are the first; it returns what follows.
func unicodeEscape(s string) (r rune, rest string) {
	r, s = hex4(s)
	if !utf16.IsSurrogate(r) {
		return r, s
	}
	if strings.HasPrefix(s, `\u`) {
		low, rest := hex4(s[2:])
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, rest
		}
	}
	return utf8.RuneError, s
}

func hex4(s string) (r rune, rest string) {
	n := min(4, len(s))
	code, err := strconv.ParseUint(s[:n], 16, 16)
	if err != nil {
		return utf8.RuneError, s[n:] // cannot be: the text was checked
	}
	return rune(code), s[n:]
}

// appendQuoted appends text as a JSON string with no escapes but the necessary
// ones, each in one way.
func appendQuoted(dst []byte, text string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, text[from:i]...)
			dst = append(dst, '\\', c)
			from = i + 1
		case c < ' ':
			dst = append(dst, text[from:i]...)
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			from = i + 1
		}
	}
	dst = append(dst, text[from:]...)
	return append(dst, '"')
}
