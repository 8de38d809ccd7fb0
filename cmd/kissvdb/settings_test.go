package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "rewrite the golden files and the table of README.md")

// settingsOf parses a command line that must be good.
func settingsOf(t *testing.T, environ []string, args ...string) Settings {
	t.Helper()
	verb, err := parse(args, newEnvironment(environ), io.Discard)
	if err != nil {
		t.Fatalf("parse %q with %q: %v", args, environ, err)
	}
	return verb.(*serveCommand).Settings
}

// refusal runs a program that must end as a usage error, and returns its line.
func refusal(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := Program{Args: args, Environ: environ, Stdout: &stdout, Stderr: &stderr}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // a program that is not refused ends at once
	if code := p.Run(ctx); code != exitUsage {
		t.Fatalf("%q with %q: exit %d, want %d; stderr %q", args, environ, code, exitUsage, stderr.String())
	}
	line, found := strings.CutSuffix(stderr.String(), "\n")
	if !found || strings.Contains(line, "\n") || stdout.Len() > 0 {
		t.Fatalf("%q with %q: want one line on stderr alone, got %q and %q", args, environ, stderr.String(), stdout.String())
	}
	return line
}

// eachSetting calls fn for every flag of serve.
func eachSetting(t *testing.T, fn func(flag *kong.Flag)) {
	t.Helper()
	parser, err := newParser(&commandLine{}, nil, io.Discard, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range parser.Model.Children {
		if node.Name != "serve" {
			continue
		}
		for _, flag := range node.Flags {
			fn(flag)
		}
	}
}

func TestNumbersOutOfRange(t *testing.T) {
	numbers := 0
	eachSetting(t, func(flag *kong.Flag) {
		if flag.Target.Kind() != reflect.Int64 {
			return
		}
		numbers++
		_, high, err := bounds(flag.Tag)
		if err != nil {
			t.Fatalf("--%s: %v", flag.Name, err)
		}
		bad := []string{"abc", "-1", "1.5", "1e3", "0x10", " 1", fmt.Sprint(high + 1), strings.Repeat("9", 30)}
		if flag.Name != "snapshot-interval-secs" {
			bad = append(bad, "0")
		}
		for _, value := range bad {
			for _, variable := range flag.Envs {
				if line := refusal(t, []string{variable + "=" + value}); !strings.Contains(line, variable+": ") {
					t.Errorf("%s=%s: %q does not name the variable", variable, value, line)
				}
			}
			if line := refusal(t, nil, "serve", "--"+flag.Name+"="+value); !strings.Contains(line, "--"+flag.Name+": ") {
				t.Errorf("--%s=%s: %q does not name the flag", flag.Name, value, line)
			}
		}
		refusal(t, nil, "--"+flag.Name, "-1")
		refusal(t, nil, "--"+flag.Name)
		refusal(t, nil, "--"+flag.Name+"=")
	})
	if numbers < 17 {
		t.Errorf("only %d numbers were tried", numbers)
	}
	settingsOf(t, []string{"SNAPSHOT_INTERVAL_SECS=0"})
}

func TestRefusals(t *testing.T) {
	cluster := []string{"DATA_DIR=data", "CLUSTER_PEERS=n1=127.0.0.1:9918,n2=127.0.0.1:9928"}
	long := strings.Repeat("x", 100)
	tests := []struct {
		name    string
		environ []string
		args    []string
		want    string // the beginning of the line
	}{
		{"unknown flag", nil, []string{"--no-such-flag"}, "unknown flag --no-such-flag"},
		{"unknown flag of a verb", nil, []string{"health", "--data-dir", "x"}, "unknown flag --data-dir"},
		{"unknown verb", nil, []string{"fly"}, "unexpected argument fly"},
		{"unknown verb with flags", nil, []string{"fly", "--port", "1"}, "unexpected argument fly"},
		{"value that looks like a flag", nil, []string{"--data-dir", "--port"}, "--data-dir: needs a value"},
		{"switch", []string{"SQLITE_ENABLED=yes"}, nil, `SQLITE_ENABLED: "yes" is none of`},
		{"switch flag", nil, []string{"--unsafe-bind=maybe"}, `--unsafe-bind: "maybe" is none of`},
		{"log level", []string{"LOGS=debug"}, nil, `LOGS: "debug" is none of info, warning, error, critical`},
		{"log level flag", nil, []string{"--logs", "INFO"}, `--logs: "INFO" is none of`},
		{"bind to a port", []string{"BIND_ADDR=127.0.0.1:80"}, nil, `BIND_ADDR: "127.0.0.1:80" is no IP address`},
		{"bind to a mistyped address", nil, []string{"--bind", "127.0.0.256"}, `--bind: "127.0.0.256" is no IP address`},
		{"bind to an unknown host", nil, []string{"--bind", "no-such-host.invalid"}, "BIND_ADDR (--bind): lookup"},
		{"bind to nothing", nil, []string{"--bind="}, "--bind: is empty"},
		{"two binds", nil, []string{"--bind", "127.0.0.1", "--unsafe-bind"}, "--bind, --unsafe-bind: give one of them"},
		{"line end in the key", []string{"RUSTKISS_API_KEY=secret\n"}, nil, "RUSTKISS_API_KEY: holds a character"},
		{"space in the key", []string{"API_KEY=very secret"}, nil, "API_KEY: holds a character"},
		{"half a key pair", []string{"TLS_CERT=a.pem"}, nil, "TLS_CERT, TLS_KEY: a certificate and its key"},
		{"other half", nil, []string{"--tls-key", "a.pem"}, "TLS_CERT, TLS_KEY: a certificate and its key"},
		{"missing key pair", nil, []string{"--tls-key", "a.pem", "--tls-cert", "b.pem"}, "TLS_CERT, TLS_KEY: open b.pem"},
		{"advertise without a scheme", []string{"ADVERTISE_URL=host:80"}, nil, "ADVERTISE_URL: "},
		{"advertise with a path", nil, []string{"--advertise-url", "http://host/x"}, "--advertise-url: may hold a scheme"},
		{"advertise with a password", nil, []string{"--advertise-url", "http://u:p@host"}, "--advertise-url: may hold a scheme"},
		{"origin with a path", []string{"CORS_ALLOWED_ORIGINS=https://a.example,https://b.example/"}, nil, `CORS_ALLOWED_ORIGINS: "https://b.example/" is not an origin`},
		{"origin that is empty", nil, []string{"--cors-allowed-origins", "https://a.example,,"}, `--cors-allowed-origins: "" is not an origin`},
		{"control character", []string{"DATA_DIR=a\x01b"}, nil, "DATA_DIR: holds a control character"},
		{"node id", []string{"NODE_ID=n 1"}, nil, `NODE_ID: "n 1" may hold only`},
		{"node id with a slash", nil, []string{"--node-id", "../n1"}, `--node-id: "../n1" may hold only`},
		{"node id that is too long", nil, []string{"--node-id", long}, "--node-id: is longer than 64 bytes"},
		{"node id that is empty", nil, []string{"--node-id="}, "--node-id: is empty"},
		{"peer address without a port", []string{"CLUSTER_ADDR=127.0.0.1"}, nil, `CLUSTER_ADDR: "127.0.0.1" is not HOST:PORT`},
		{"peer address with a bad port", nil, []string{"--cluster-addr", "127.0.0.1:0"}, `--cluster-addr: "127.0.0.1:0" has no port`},
		{"peer address nobody can dial", nil, []string{"--cluster-addr", "0.0.0.0:9918"}, "CLUSTER_ADDR (--cluster-addr): is 0.0.0.0:9918, which no peer can dial"},
		{"peers without ids", nil, []string{"--peers", "a:1,b:2"}, `--peers: "a:1" is not ID=HOST:PORT`},
		{"peers with an empty entry", nil, []string{"--peers", "n1=a:1,"}, `--peers: "" is not ID=HOST:PORT`},
		{"peers twice", nil, []string{"--peers", "n1=a:1,n1=b:1"}, `--peers: names "n1=b:1" twice`},
		{"peers with one address", nil, []string{"--peers", "n1=a:1,n2=a:1"}, `--peers: names "n2=a:1" twice`},
		{"peers without this node", cluster, []string{"--node-id", "n3"}, "CLUSTER_PEERS (--peers): does not name this node, n3"},
		{"peers in memory", cluster[1:], nil, "DATA_DIR (--data-dir): must be set for a cluster"},
		{"join in memory", []string{"CLUSTER_JOIN=127.0.0.1:9918"}, nil, "DATA_DIR (--data-dir): must be set for a cluster"},
		{"peers and join", cluster, []string{"--join", "127.0.0.1:1"}, "CLUSTER_JOIN (--join): can not be used with"},
		{"join nothing", []string{"DATA_DIR=x"}, []string{"--join", "a:1,,b:1"}, `--join: "a:1,,b:1" has an empty entry`},
		{"non-voter of nothing", nil, []string{"--non-voter"}, "--non-voter: needs CLUSTER_JOIN"},
		{"another peer address", cluster, []string{"--cluster-addr", "127.0.0.1:5"}, "CLUSTER_ADDR (--cluster-addr): is 127.0.0.1:5, but CLUSTER_PEERS says"},
		{"one port for both", cluster, []string{"--port", "9918"}, "CLUSTER_ADDR (--cluster-addr): has the port of the API, 9918"},
		{"open peers", nil, []string{"--cluster-addr", "10.0.0.1:9918"}, "CLUSTER_ADDR (--cluster-addr): 10.0.0.1:9918 is not a loopback address"},
		{"open peers by name", nil, []string{"--cluster-addr", "db1:9918"}, "CLUSTER_ADDR (--cluster-addr): db1:9918 is not a loopback"},
		{"open peers by bind", nil, []string{"--cluster-bind", "0.0.0.0:9918"}, "CLUSTER_ADDR (--cluster-addr): 0.0.0.0:9918 is not a loopback"},
		{"encrypted peers", []string{"CLUSTER_TLS_CERT=a", "CLUSTER_TLS_KEY=b", "CLUSTER_TLS_CA=c"}, nil, "CLUSTER_TLS_CERT, CLUSTER_TLS_KEY, CLUSTER_TLS_CA: encryption between peers is not supported yet"},
		{"encrypted peers in part", nil, []string{"--cluster-tls-ca", "c", "--insecure-peers"}, "CLUSTER_TLS_CERT, CLUSTER_TLS_KEY, CLUSTER_TLS_CA: "},
		{"vacuum of nothing", []string{"COLLECTION=x"}, []string{"vacuum"}, "missing flags: --collection=NAME"},
		{"vacuum without a name", nil, []string{"vacuum", "--collection="}, "--collection: is empty"},
		{"vacuum of a path", nil, []string{"vacuum", "--collection", "../x"}, `--collection: "../x" may hold only`},
		{"vacuum of a long name", nil, []string{"vacuum", "--collection", strings.Repeat("x", 256)}, "--collection: is longer than 255 bytes"},
		{"bench operation", nil, []string{"bench", "--op", "fly"}, "--op must be one of"},
		{"bench duration", nil, []string{"bench", "--duration", "0s"}, "--duration: must be above zero"},
		{"dev nodes", nil, []string{"dev", "--nodes", "0"}, `--nodes: "0" is out of range, 1 to 9`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			line := refusal(t, test.environ, test.args...)
			if !strings.HasPrefix(line, "kissvdb: "+test.want) {
				t.Errorf("got  %q\nwant %q", line, "kissvdb: "+test.want)
			}
			if strings.Contains(line, "secret") {
				t.Errorf("the key is in %q", line)
			}
		})
	}
}

func TestPrecedence(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		args    []string
		port    int64
		key     Secret
		bind    Host
	}{
		{"defaults", nil, nil, 9917, "", "127.0.0.1"},
		{"the old variables", []string{"PORT=1", "API_KEY=b"}, nil, 1, "b", "127.0.0.1"},
		{"the first variable wins", []string{"PORT=1", "PORT_RUST_KISS_VDB=2", "API_KEY=b", "RUSTKISS_API_KEY=a"}, nil, 2, "a", "127.0.0.1"},
		{"an empty variable is unset", []string{"PORT=1", "PORT_RUST_KISS_VDB=", "API_KEY=b", "RUSTKISS_API_KEY=", "BIND_ADDR="}, nil, 1, "b", "127.0.0.1"},
		{"a variable that is not asked may be bad", []string{"PORT=x", "PORT_RUST_KISS_VDB=2"}, nil, 2, "", "127.0.0.1"},
		{"flags win", []string{"PORT=1", "PORT_RUST_KISS_VDB=2", "API_KEY=b", "RUSTKISS_API_KEY=a", "BIND_ADDR=::1"},
			[]string{"--port=3", "--api-key", "c", "--bind", "localhost"}, 3, "c", "localhost"},
		{"flags win over bad variables", []string{"PORT=x", "BIND_ADDR=?"}, []string{"serve", "--port", "3", "--bind", "[::1]"}, 3, "", "::1"},
		{"an empty flag unsets", []string{"API_KEY=b"}, []string{"--api-key="}, 9917, "", "127.0.0.1"},
		{"unsafe bind", []string{"BIND_ADDR=::1"}, []string{"--unsafe-bind"}, 9917, "", "0.0.0.0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := settingsOf(t, test.environ, test.args...)
			if s.Port != test.port || s.APIKey != test.key || s.Bind != test.bind {
				t.Errorf("got port %d, key %q, bind %q; want %d, %q, %q", s.Port, string(s.APIKey), s.Bind, test.port, string(test.key), test.bind)
			}
		})
	}
}

func TestValues(t *testing.T) {
	for text, want := range map[string]bool{"1": true, "true": true, "on": true, "ON": true, "0": false, "false": false, "off": false, "": false} {
		if s := settingsOf(t, []string{"SQLITE_ENABLED=" + text}); s.SQLiteEnabled != want {
			t.Errorf("SQLITE_ENABLED=%s: got %v", text, s.SQLiteEnabled)
		}
	}
	if s := settingsOf(t, nil, "--sqlite-enabled"); !s.SQLiteEnabled {
		t.Error("--sqlite-enabled without a value is off")
	}
	s := settingsOf(t, []string{"CORS_ALLOWED_ORIGINS=https://a.example, http://localhost:3000,*", "DATA_DIR=x",
		"CLUSTER_PEERS=n1=127.0.0.1:7001, n2=127.0.0.1:7002"}, "--advertise-url", "https://node.example:8443/", "--node-id", "n2")
	if want := (Origins{"https://a.example", "http://localhost:3000", "*"}); !reflect.DeepEqual(s.CORSAllowedOrigins, want) {
		t.Errorf("origins %q, want %q", s.CORSAllowedOrigins, want)
	}
	if want := (Peers{{"n1", "127.0.0.1:7001"}, {"n2", "127.0.0.1:7002"}}); !reflect.DeepEqual(s.Peers, want) {
		t.Errorf("peers %v, want %v", s.Peers, want)
	}
	if s.ClusterAddr != "127.0.0.1:7002" {
		t.Errorf("peer address %s, want this node's entry of the list", s.ClusterAddr)
	}
	if s.AdvertiseURL != "https://node.example:8443" {
		t.Errorf("advertised %s", s.AdvertiseURL)
	}
	s = settingsOf(t, nil, "--data-dir", "x", "--join", "db1:1,db2:1", "--non-voter", "--cluster-addr", "db3:1", "--cluster-bind", "0.0.0.0:1", "--insecure-peers")
	if want := (Members{"db1:1", "db2:1"}); !reflect.DeepEqual(s.Join, want) || !s.NonVoter {
		t.Errorf("join %v, want %v", s.Join, want)
	}
}

// TestEverySetting keeps the variables and the flags of the settings: a
// deployment written for them must go on working.
func TestEverySetting(t *testing.T) {
	var got []string
	eachSetting(t, func(flag *kong.Flag) {
		got = append(got, "--"+flag.Name+" "+strings.Join(flag.Envs, ","))
		for _, variable := range flag.Envs {
			if kebab := strings.ToLower(strings.ReplaceAll(variable, "_", "-")); len(flag.Envs) == 1 && kebab != flag.Name &&
				kebab != "cluster-"+flag.Name && kebab != flag.Name+"-addr" {
				t.Errorf("the flag of %s is --%s", variable, flag.Name)
			}
		}
	})
	golden(t, "settings.txt", strings.Join(got, "\n")+"\n")
}

func TestHelp(t *testing.T) {
	t.Setenv("COLUMNS", "100")
	for _, verb := range []string{"", "serve", "dev", "health", "status", "verify", "vacuum", "bench", "version"} {
		args, name := []string{verb, "--help"}, "help_"+verb+".txt"
		if verb == "" {
			args, name = args[1:], "help.txt"
		}
		var stdout, stderr bytes.Buffer
		p := Program{Args: args, Environ: []string{"API_KEY=secret"}, Stdout: &stdout, Stderr: &stderr}
		if code := p.Run(context.Background()); code != exitOK || stderr.Len() > 0 {
			t.Fatalf("%q: exit %d, stderr %q", args, code, stderr.String())
		}
		golden(t, name, stdout.String())
	}
}

// golden compares with a file of testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is stale (run the test with -update and look at the difference); got:\n%s", path, got)
	}
}

// TestReadme keeps the table of README.md equal to the settings.
func TestReadme(t *testing.T) {
	const path, begin, end = "../../README.md", "<!-- settings: begin -->\n", "<!-- settings: end -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	table, after, foundEnd := strings.Cut(rest, end)
	if !found || !foundEnd {
		t.Fatalf("%s has no %q ... %q", path, begin, end)
	}
	want := settingsTable(t)
	if table == want {
		return
	}
	if !*update {
		t.Fatalf("the table of %s is stale: run the test with -update", path)
	}
	if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// settingsTable prints the settings for people.
func settingsTable(t *testing.T) string {
	var table strings.Builder
	table.WriteString("| variable | flag | default | |\n|---|---|---|---|\n")
	eachSetting(t, func(flag *kong.Flag) {
		variables := "-"
		if len(flag.Envs) > 0 {
			variables = "`" + strings.Join(flag.Envs, "`, then `") + "`"
		}
		value := "unset"
		switch {
		case flag.HasDefault:
			value = "`" + flag.Default + "`"
		case flag.IsBool():
			value = "off"
		case strings.Contains(flag.PlaceHolder, "BIND") || strings.Contains(flag.PlaceHolder, "DATA_DIR"):
			value = "`" + flag.PlaceHolder + "`"
		}
		fmt.Fprintf(&table, "| %s | `--%s` | %s | %s |\n", variables, flag.Name, value, flag.Help)
	})
	return table.String()
}
