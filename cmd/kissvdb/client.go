package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	callTimeout = 10 * time.Second
	maxAnswer   = 8 << 20 // bytes of an answer that are read
)

// client calls the API of nodes for the verbs that look at a running cluster.
type client struct {
	http http.Client
	key  Secret
	home string // URL of the node on this machine
}

// newClient finds the node on this machine by the settings it was started with.
func newClient(e *Endpoint) (*client, error) {
	c := &client{key: e.APIKey, home: e.localURL()}
	c.http.Timeout = callTimeout
	if e.TLSCert != "" {
		config, err := trustOwn(string(e.TLSCert))
		if err != nil {
			return nil, err
		}
		c.http.Transport = &http.Transport{TLSClientConfig: config}
	}
	return c, nil
}

// localURL is where this machine reaches the node.
func (e *Endpoint) localURL() string {
	host := string(e.Bind)
	switch {
	case host == "0.0.0.0":
		host = "127.0.0.1"
	case isUnspecified(host):
		host = "::1"
	}
	return e.scheme() + "://" + net.JoinHostPort(host, strconv.FormatInt(e.Port, 10))
}

func (e *Endpoint) scheme() string {
	if e.TLSCert != "" {
		return "https"
	}
	return "http"
}

// call sends a request without a body and returns the status and the answer.
func (c *client) call(ctx context.Context, method, url string) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, nil, err
	}
	request.Close = true // a verb asks once; a connection kept would only be found closed
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+string(c.key))
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, answer, err
}

// get decodes the JSON that a request without a body is answered with. An
// answer that is no success becomes an error with the server's own words.
func (c *client) get(ctx context.Context, method, url string, into any) error {
	status, answer, err := c.call(ctx, method, url)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		var refusal struct{ Message string }
		if json.Unmarshal(answer, &refusal) != nil || refusal.Message == "" {
			refusal.Message = http.StatusText(status)
		}
		return fmt.Errorf("%s %s: %d: %s", method, url, status, refusal.Message)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	return nil
}

// trustOwn accepts the certificate in file itself, whatever name it is for:
// the node on this machine is dialled by its address. Every other server is
// verified as usual.
func trustOwn(file string) (*tls.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, &usageError{"TLS_CERT (--tls-cert)", err.Error()}
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, &usageError{"TLS_CERT (--tls-cert)", "holds no certificate"}
	}
	verify := func(state tls.ConnectionState) error {
		leaf := state.PeerCertificates[0]
		if bytes.Equal(leaf.Raw, block.Bytes) {
			return nil
		}
		chain := x509.NewCertPool()
		for _, certificate := range state.PeerCertificates[1:] {
			chain.AddCert(certificate)
		}
		_, err := leaf.Verify(x509.VerifyOptions{DNSName: state.ServerName, Intermediates: chain})
		return err
	}
	// VerifyConnection does what InsecureSkipVerify leaves out.
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: verify}, nil
}
