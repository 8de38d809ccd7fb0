package main

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// defaultClusterAddr is the default of ClusterAddr; a peers list overrides it.
const defaultClusterAddr HostPort = "127.0.0.1:9918"

// AfterApply refuses what no single value shows: settings that need, or
// exclude, each other. kong calls it once every value is in place.
func (s *Settings) AfterApply() error {
	for _, check := range []func() error{s.checkData, s.checkPeers, s.checkJoin, s.checkPeerAddress, s.checkPeerSafety} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// AfterApply refuses half a key pair and an empty address.
func (e *Endpoint) AfterApply() error {
	switch {
	case e.UnsafeBind:
		e.Bind = "0.0.0.0"
	case e.Bind == "":
		return &usageError{"--bind", "is empty"}
	}
	if (e.TLSCert == "") != (e.TLSKey == "") {
		return &usageError{"TLS_CERT, TLS_KEY", "a certificate and its key come together"}
	}
	return nil
}

func (s *Settings) checkData() error {
	clustered := len(s.Peers) > 0 || len(s.Join) > 0
	switch {
	case s.NodeID == "":
		return &usageError{"--node-id", "is empty"}
	case clustered && s.DataDir == "":
		return &usageError{"DATA_DIR (--data-dir)", "must be set for a cluster; memory only is for one node alone"}
	}
	return nil
}

// checkPeers finds this node's own entry and takes the peer address from it.
func (s *Settings) checkPeers() error {
	if len(s.Peers) == 0 {
		return nil
	}
	if len(s.Join) > 0 {
		return &usageError{"CLUSTER_JOIN (--join)", "can not be used with CLUSTER_PEERS (--peers): a node founds a cluster or joins one"}
	}
	for _, peer := range s.Peers {
		if peer.ID != s.NodeID {
			continue
		}
		if s.ClusterAddr != defaultClusterAddr && s.ClusterAddr != peer.Address {
			return &usageError{"CLUSTER_ADDR (--cluster-addr)",
				fmt.Sprintf("is %s, but CLUSTER_PEERS says %s for %s; use --cluster-bind to listen elsewhere", s.ClusterAddr, peer.Address, peer.ID)}
		}
		s.ClusterAddr = peer.Address
		return nil
	}
	return &usageError{"CLUSTER_PEERS (--peers)", fmt.Sprintf("does not name this node, %s (NODE_ID)", s.NodeID)}
}

func (s *Settings) checkJoin() error {
	if len(s.Join) == 0 && s.NonVoter {
		return &usageError{"--non-voter", "needs CLUSTER_JOIN (--join)"}
	}
	return nil
}

func (s *Settings) checkPeerAddress() error {
	if s.ClusterAddr == "" {
		return &usageError{"--cluster-addr", "is empty"}
	}
	host, port := s.ClusterAddr.split()
	if address, err := netip.ParseAddr(host); err == nil && address.IsUnspecified() {
		return &usageError{"CLUSTER_ADDR (--cluster-addr)", fmt.Sprintf("is %s, which no peer can dial; use --cluster-bind to listen there", s.ClusterAddr)}
	}
	if s.DataDir == "" {
		return nil // memory only: there is no peer port
	}
	if s.ClusterBind != "" {
		host, port = s.ClusterBind.split()
	}
	if port == strconv.FormatInt(s.Port, 10) && (host == string(s.Bind) || isUnspecified(host) || isUnspecified(string(s.Bind))) {
		return &usageError{"CLUSTER_ADDR (--cluster-addr)", fmt.Sprintf("has the port of the API, %s", port)}
	}
	return nil
}

// checkPeerSafety keeps an unencrypted peer port on this machine unless told otherwise.
func (s *Settings) checkPeerSafety() error {
	if s.ClusterTLSCert != "" || s.ClusterTLSKey != "" || s.ClusterTLSCA != "" {
		return &usageError{"CLUSTER_TLS_CERT, CLUSTER_TLS_KEY, CLUSTER_TLS_CA",
			"encryption between peers is not supported yet; unset them, and use --insecure-peers on a network you trust"}
	}
	if s.InsecurePeers {
		return nil
	}
	for _, address := range []HostPort{s.ClusterAddr, s.ClusterBind} {
		if host, _ := address.split(); address != "" && !isLoopback(host) {
			return &usageError{"CLUSTER_ADDR (--cluster-addr)",
				fmt.Sprintf("%s is not a loopback address and peers are not encrypted; --insecure-peers allows it on a network you trust", address)}
		}
	}
	return nil
}

// split returns the host and the port of an address that was parsed.
func (a HostPort) split() (host, port string) {
	host, port, err := net.SplitHostPort(string(a))
	if err != nil {
		return "", ""
	}
	return host, port
}

// isLoopback tells whether host is this machine only, by its name alone: no
// resolver may decide what is safe.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

func isUnspecified(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsUnspecified()
}
