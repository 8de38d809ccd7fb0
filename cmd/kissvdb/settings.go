package main

// Settings are the settings of one node: one line each, with the environment
// variable, the flag (the field's name in kebab case), the default, the range
// and the help. A flag wins over the environment; an empty variable is an
// unset one. The table in README.md is printed from this struct.
type Settings struct {
	Endpoint
	AdvertiseURL       AdvertisedURL `env:"ADVERTISE_URL" placeholder:"http://BIND:PORT" group:"HTTP API:" help:"How clients reach this node."`
	CORSAllowedOrigins Origins       `env:"CORS_ALLOWED_ORIGINS" placeholder:"ORIGIN,..." group:"HTTP API:" help:"Origins a browser may call from; unset or * is any origin."`
	RequestTimeoutSecs int64         `env:"REQUEST_TIMEOUT_SECS" default:"30" max:"86400" group:"HTTP API:" help:"Longest time one request may take; a stream is not cut."`

	Storage
	SQLiteEnabled bool `name:"sqlite-enabled" env:"SQLITE_ENABLED" group:"Storage:" help:"Open the SQL routes; the variable takes 1, true or on."`
	SQLiteDBPath  Text `name:"sqlite-db-path" env:"SQLITE_DB_PATH" placeholder:"DATA_DIR/sqlite/rustkiss.db" group:"Storage:" help:"File of the SQL database."`

	MaxBodyBytes     int64 `env:"MAX_BODY_BYTES" default:"1048576" max:"1073741824" group:"Limits:" help:"Largest request body."`
	MaxJSONBytes     int64 `env:"MAX_JSON_BYTES" default:"65536" max:"1073741824" group:"Limits:" help:"Largest value, document, meta or filter, as compact JSON."`
	MaxKeyLen        int64 `env:"MAX_KEY_LEN" default:"512" max:"65535" group:"Limits:" help:"Longest key, in bytes of UTF-8."`
	MaxCollectionLen int64 `env:"MAX_COLLECTION_LEN" default:"64" max:"200" group:"Limits:" help:"Longest collection name, in bytes."`
	MaxIDLen         int64 `env:"MAX_ID_LEN" default:"128" max:"65535" group:"Limits:" help:"Longest id, in bytes of UTF-8."`
	MaxVectorDim     int64 `env:"MAX_VECTOR_DIM" default:"4096" max:"65536" group:"Limits:" help:"Most values of a vector."`
	MaxK             int64 `env:"MAX_K" default:"256" max:"1048576" group:"Limits:" help:"Most hits of a search."`
	MaxStateBatch    int64 `env:"MAX_STATE_BATCH" default:"256" max:"65536" group:"Limits:" help:"Most operations of a state batch."`
	MaxVectorBatch   int64 `env:"MAX_VECTOR_BATCH" default:"256" max:"65536" group:"Limits:" help:"Most items of a vector batch."`
	MaxDocFind       int64 `env:"MAX_DOC_FIND" default:"100" max:"65536" group:"Limits:" help:"Most documents of one page of a find."`

	NodeID         NodeID   `env:"NODE_ID" default:"n1" group:"Cluster:" help:"Name of this node; it never changes."`
	ClusterAddr    HostPort `env:"CLUSTER_ADDR" default:"127.0.0.1:9918" group:"Cluster:" help:"Peer address: listened on and told to the peers. With peers, this node's own entry there is the default."`
	ClusterBind    HostPort `placeholder:"HOST:PORT" group:"Cluster:" help:"Where to listen for peers, when it is not the peer address."`
	Peers          Peers    `env:"CLUSTER_PEERS" placeholder:"ID=HOST:PORT,..." group:"Cluster:" help:"Founding nodes, this one included; the same list on each forms the cluster, once."`
	Join           Members  `env:"CLUSTER_JOIN" placeholder:"HOST:PORT,..." group:"Cluster:" help:"Peer addresses of a running cluster to join."`
	NonVoter       bool     `group:"Cluster:" help:"Join as a read replica that does not vote."`
	InsecurePeers  bool     `group:"Cluster:" help:"Allow peers beyond this machine without encryption; for a network you trust."`
	ClusterTLSCert Text     `env:"CLUSTER_TLS_CERT" placeholder:"FILE" group:"Cluster:" help:"Certificate of this node for its peers; not supported yet, refused."`
	ClusterTLSKey  Text     `env:"CLUSTER_TLS_KEY" placeholder:"FILE" group:"Cluster:" help:"Key of that certificate; not supported yet, refused."`
	ClusterTLSCA   Text     `name:"cluster-tls-ca" env:"CLUSTER_TLS_CA" placeholder:"FILE" group:"Cluster:" help:"Authority that signs the nodes' certificates; not supported yet, refused."`

	Logs LogLevel `env:"LOGS" default:"info" group:"Logs:" help:"Least level that is logged: info, warning, error or critical."`
}

// Storage is where the data of a node lies and how much of its history is
// kept: the part of Settings that the verbs which open that data share.
type Storage struct {
	DataDir              Text  `env:"DATA_DIR" placeholder:"DIR" group:"Storage:" help:"Folder of the data; unset keeps everything in memory (one node alone)."`
	SnapshotIntervalSecs int64 `env:"SNAPSHOT_INTERVAL_SECS" default:"30" min:"0" max:"31536000" group:"Storage:" help:"How often a snapshot is considered; 0 is never by time."`
	EventBufferSize      int64 `env:"EVENT_BUFFER_SIZE" default:"10000" max:"100000000" group:"Storage:" help:"Events kept for the stream without a data folder."`
	LiveBroadcastCap     int64 `name:"live-broadcast-capacity" env:"LIVE_BROADCAST_CAPACITY" default:"4096" max:"100000000" group:"Storage:" help:"Newest events kept in memory with a data folder; older ones are read from disk."`
	WALSegmentMaxBytes   int64 `env:"WAL_SEGMENT_MAX_BYTES" default:"67108864" max:"1099511627776" group:"Storage:" help:"Size at which a segment of the event log is sealed."`
	WALRetentionSegments int64 `env:"WAL_RETENTION_SEGMENTS" default:"8" max:"1000000" group:"Storage:" help:"Segments of the event log that are kept; a stream can resume inside them."`
}

// Endpoint is where the API of a node listens and what it takes to call it:
// the part of Settings that the verbs which talk to the local node share.
type Endpoint struct {
	Port       int64  `env:"PORT_RUST_KISS_VDB,PORT" default:"9917" max:"65535" group:"HTTP API:" help:"Port of the API."`
	Bind       Host   `env:"BIND_ADDR" default:"127.0.0.1" group:"HTTP API:" help:"Address or host name the API listens on."`
	UnsafeBind bool   `xor:"bind" group:"HTTP API:" help:"Listen on every address, as --bind 0.0.0.0; put it behind a proxy."`
	APIKey     Secret `env:"RUSTKISS_API_KEY,API_KEY" placeholder:"KEY" group:"HTTP API:" help:"Key that every request must carry; unset leaves the API open."`
	TLSCert    Text   `env:"TLS_CERT" placeholder:"FILE" group:"HTTP API:" help:"Certificate of the API, PEM; makes it HTTPS."`
	TLSKey     Text   `env:"TLS_KEY" placeholder:"FILE" group:"HTTP API:" help:"Key of that certificate, PEM."`
}
