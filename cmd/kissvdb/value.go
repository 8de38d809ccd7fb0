package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// The kinds of values a setting may have. Each is made by one function of this
// file from the text of a flag or of an environment variable; an empty text is
// the zero value, which means unset.
type (
	// Text is any text without control characters.
	Text string
	// Secret is a text that is never printed.
	Secret string
	// Host is an IP address or a host name.
	Host string
	// HostPort is a host and a port.
	HostPort string
	// NodeID names a node.
	NodeID string
	// Collection names a collection.
	Collection string
	// AdvertisedURL is the scheme, host and port of an API.
	AdvertisedURL string
	// Origins are the origins of web pages.
	Origins []string
	// Members are peer addresses of a running cluster.
	Members []HostPort
	// Peers are the founding nodes of a cluster.
	Peers []Peer
	// LogLevel is a level of the log.
	LogLevel slog.Level
)

// Peer is one founding node.
type Peer struct {
	ID      NodeID
	Address HostPort
}

// String hides the secret from every formatted output.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

const (
	maxNodeID     = 64
	maxCollection = 255
	maxPeers      = 15
	maxShown      = 40 // bytes of a refused value that are repeated in the refusal
	maxSetting    = 4096
)

// levelCritical is above slog.LevelError: what ends the process.
const levelCritical = slog.LevelError + 4

func parseText(text string, _ *kong.Tag) (Text, error) {
	if strings.ContainsFunc(text, isControl) {
		return "", errors.New("holds a control character")
	}
	if len(text) > maxSetting {
		return "", fmt.Errorf("is longer than %d bytes", maxSetting)
	}
	return Text(text), nil
}

// parseSecret refuses what could never be sent in a header, such as the line
// end of a key file, which would otherwise lock everybody out.
func parseSecret(text string, _ *kong.Tag) (Secret, error) {
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("holds a character that is not printable ASCII, or a space")
	}
	if len(text) > maxSetting {
		return "", fmt.Errorf("is longer than %d bytes", maxSetting)
	}
	return Secret(text), nil
}

// parseWhole parses a whole number within the min (1 unless given) and max of the tag.
func parseWhole(text string, tag *kong.Tag) (int64, error) {
	low, high, err := bounds(tag)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		return 0, fmt.Errorf("%s is not a whole number", shown(text))
	}
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s is out of range, %d to %d", shown(text), low, high)
	}
	return n, nil
}

func bounds(tag *kong.Tag) (low, high int64, err error) {
	low = 1
	if tag.Has("min") {
		if low, err = tag.GetInt("min"); err != nil {
			return 0, 0, fmt.Errorf("min tag: %w", err)
		}
	}
	if high, err = tag.GetInt("max"); err != nil {
		return 0, 0, fmt.Errorf("max tag: %w", err)
	}
	return low, high, nil
}

func parseSwitch(text string, _ *kong.Tag) (bool, error) {
	switch strings.ToLower(text) {
	case "1", "true", "on":
		return true, nil
	case "0", "false", "off", "":
		return false, nil
	}
	return false, fmt.Errorf("%s is none of 1, true, on, 0, false, off", shown(text))
}

func parseHost(text string, _ *kong.Tag) (Host, error) {
	if text == "" {
		return "", nil
	}
	bare := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		bare = text[1 : len(text)-1]
	}
	if _, err := netip.ParseAddr(bare); err == nil {
		return Host(bare), nil
	}
	if !isHostName(text) {
		return "", fmt.Errorf("%s is no IP address and no host name", shown(text))
	}
	return Host(text), nil
}

func parseHostPort(text string, tag *kong.Tag) (HostPort, error) {
	if text == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" {
		return "", fmt.Errorf("%s is not HOST:PORT", shown(text))
	}
	parsed, err := parseHost(host, tag)
	if err != nil {
		return "", err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("%s has no port from 1 to 65535", shown(text))
	}
	return HostPort(net.JoinHostPort(string(parsed), strconv.FormatUint(n, 10))), nil
}

func parseNodeID(text string, _ *kong.Tag) (NodeID, error) {
	return NodeID(text), checkName(text, maxNodeID)
}

func parseCollection(text string, _ *kong.Tag) (Collection, error) {
	if text == "" {
		return "", errors.New("is empty")
	}
	return Collection(text), checkName(text, maxCollection)
}

// checkName refuses what may not be the name of a file.
func checkName(text string, most int) error {
	if len(text) > most {
		return fmt.Errorf("is longer than %d bytes", most)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !isNameByte(r) }) || strings.HasPrefix(text, ".") {
		return fmt.Errorf("%s may hold only A-Z a-z 0-9 _ . - and no leading dot", shown(text))
	}
	return nil
}

func parseURL(text string, _ *kong.Tag) (AdvertisedURL, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return "", fmt.Errorf("%s is not http://HOST:PORT or https://HOST:PORT", shown(text))
	}
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("may hold a scheme, a host and a port only")
	}
	return AdvertisedURL(u.Scheme + "://" + u.Host), nil
}

func parseOrigins(text string, _ *kong.Tag) (Origins, error) {
	var origins Origins
	for _, part := range split(text) {
		u, err := url.Parse(part)
		if part != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != part) {
			return nil, fmt.Errorf("%s is not an origin such as https://app.example.com", shown(part))
		}
		origins = append(origins, part)
	}
	return origins, nil
}

func parseMembers(text string, tag *kong.Tag) (Members, error) {
	var members Members
	for _, part := range split(text) {
		address, err := parseHostPort(part, tag)
		if err != nil {
			return nil, err
		}
		if address == "" {
			return nil, fmt.Errorf("%s has an empty entry", shown(text))
		}
		members = append(members, address)
	}
	if len(members) > maxPeers {
		return nil, fmt.Errorf("names %d addresses, at most %d are allowed", len(members), maxPeers)
	}
	return members, nil
}

func parsePeers(text string, tag *kong.Tag) (Peers, error) {
	var peers Peers
	for _, part := range split(text) {
		peer, err := parsePeer(part, tag)
		if err != nil {
			return nil, err
		}
		for _, other := range peers {
			if other.ID == peer.ID || other.Address == peer.Address {
				return nil, fmt.Errorf("names %s twice", shown(part))
			}
		}
		peers = append(peers, peer)
	}
	if len(peers) > maxPeers {
		return nil, fmt.Errorf("names %d nodes, at most %d are allowed", len(peers), maxPeers)
	}
	return peers, nil
}

func parsePeer(text string, tag *kong.Tag) (Peer, error) {
	id, address, found := strings.Cut(text, "=")
	if !found || id == "" || address == "" {
		return Peer{}, fmt.Errorf("%s is not ID=HOST:PORT", shown(text))
	}
	var peer Peer
	var err error
	if peer.ID, err = parseNodeID(id, tag); err != nil {
		return Peer{}, err
	}
	peer.Address, err = parseHostPort(address, tag)
	return peer, err
}

func parseLogLevel(text string, _ *kong.Tag) (LogLevel, error) {
	switch text {
	case "info":
		return LogLevel(slog.LevelInfo), nil
	case "warning":
		return LogLevel(slog.LevelWarn), nil
	case "error":
		return LogLevel(slog.LevelError), nil
	case "critical":
		return LogLevel(levelCritical), nil
	}
	return 0, fmt.Errorf("%s is none of info, warning, error, critical", shown(text))
}

// split cuts a list at its commas and trims the parts.
func split(text string) []string {
	if text == "" {
		return nil
	}
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// shown quotes a refused value, cut to what fits in one line.
func shown(text string) string {
	if len(text) > maxShown {
		text = text[:maxShown] + "..."
	}
	return strconv.Quote(text)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// isHostName accepts names made of labels; one whose last label is a number
// would be a mistyped IP address.
func isHostName(text string) bool {
	if text == "" || len(text) > 253 {
		return false
	}
	labels := strings.Split(strings.TrimSuffix(text, "."), ".")
	bad := func(label string) bool {
		return label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			strings.ContainsFunc(label, func(r rune) bool { return r == '.' || !isNameByte(r) })
	}
	last := labels[len(labels)-1]
	return !slices.ContainsFunc(labels, bad) && strings.ContainsFunc(last, func(r rune) bool { return r < '0' || r > '9' })
}

func isNameByte(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.' || r == '-'
}
