//! The rows of the backend table. Adding a backend begins here: a row with its keys, and nothing else in this crate.

use crate::spec::{BackendSpec, HostsRule, KeySpec, Kind};
use std::time::Duration;

/// Every backend that the format knows, in the order of the documentation.
#[must_use]
pub fn backends() -> &'static [BackendSpec] {
    BACKENDS
}

/// The backend with this name.
#[must_use]
pub fn backend(name: &str) -> Option<&'static BackendSpec> {
    BACKENDS.iter().find(|spec| spec.name == name)
}

static BACKENDS: &[BackendSpec] = &[
    BackendSpec {
        name: "mysql",
        title: "MySQL",
        handle: "MySql",
        default_port: Some(3306),
        session_limit: Some((151, "max_connections")),
        hosts: HostsRule::Many,
        schemes: &["mysql", "mariadb"],
        keys: MYSQL_KEYS,
        host_keys: &[HOST, PORT, ROLE, WEIGHT],
    },
    BackendSpec {
        name: "mongodb",
        title: "MongoDB",
        handle: "MongoDb",
        default_port: Some(27017),
        session_limit: None,
        hosts: HostsRule::Many,
        schemes: &["mongodb", "mongodb+srv"],
        keys: MONGODB_KEYS,
        host_keys: &[HOST, PORT],
    },
    BackendSpec {
        name: "memcached",
        title: "Memcached",
        handle: "Memcached",
        default_port: Some(11211),
        session_limit: Some((1024, "-c")),
        hosts: HostsRule::Many,
        schemes: &[],
        keys: MEMCACHED_KEYS,
        host_keys: &[HOST, PORT, WEIGHT],
    },
    BackendSpec {
        name: "sqlite",
        title: "SQLite",
        handle: "Sqlite",
        default_port: None,
        session_limit: None,
        hosts: HostsRule::None,
        schemes: &[],
        keys: SQLITE_KEYS,
        host_keys: &[],
    },
    BackendSpec {
        name: "postgres",
        title: "PostgreSQL",
        handle: "Postgres",
        default_port: Some(5432),
        session_limit: Some((100, "max_connections")),
        hosts: HostsRule::Many,
        schemes: &["postgres", "postgresql"],
        keys: POSTGRES_KEYS,
        host_keys: &[HOST, PORT, ROLE, WEIGHT],
    },
];

const MYSQL_KEYS: &[KeySpec] = &[
    URL,
    USERNAME,
    PASSWORD,
    DB,
    CONNECTIONS,
    HOST,
    PORT,
    SOCKET,
    START,
    PROTECTED,
    TASKS,
    POOL_MIN,
    POOL_MAX.default("10"),
    ACQUIRE_TIMEOUT,
    IDLE_TIMEOUT,
    MAX_LIFETIME,
    CONNECT_TIMEOUT.default("5s"),
    TIMEOUT.default("30s"),
    STATEMENT_CACHE.default("1024"),
    MAX_LAG,
    FALLBACK,
    STICKY,
    TLS,
    TLS_CA,
];

const MONGODB_KEYS: &[KeySpec] = &[
    URL,
    USERNAME,
    PASSWORD,
    DB,
    CONNECTIONS,
    HOST,
    PORT,
    REPLICA_SET,
    READ_PREFERENCE,
    DIRECT,
    AUTH_SOURCE,
    START,
    PROTECTED,
    TASKS,
    POOL_MIN,
    POOL_MAX.default("10"),
    // The driver bounds neither the wait for a free session nor the age of one: `timeout` bounds the first.
    IDLE_TIMEOUT,
    CONNECT_TIMEOUT.default("5s"),
    TIMEOUT.default("30s"),
    TLS,
    TLS_CA,
];

const MEMCACHED_KEYS: &[KeySpec] = &[
    CONNECTIONS,
    HOST,
    PORT,
    START,
    PROTECTED,
    TASKS,
    PREFIX,
    ON_DEAD_HOST,
    FAILURE_LIMIT,
    POOL_MIN,
    // For each host. Few, because calls are gathered: more sessions make the batches smaller.
    POOL_MAX.default("4"),
    // A cache that answers later than these is slower than what it caches.
    ACQUIRE_TIMEOUT.default("1s"),
    IDLE_TIMEOUT,
    MAX_LIFETIME,
    CONNECT_TIMEOUT.default("3s"),
    TIMEOUT.default("2s"),
    MAX_VALUE,
];

const SQLITE_KEYS: &[KeySpec] = &[
    SQLITE_PATH,
    START,
    PROTECTED,
    TASKS,
    POOL_MIN,
    POOL_MAX.default("10"),
    ACQUIRE_TIMEOUT,
    IDLE_TIMEOUT,
    MAX_LIFETIME,
    CONNECT_TIMEOUT.default("5s"),
    TIMEOUT.default("30s"),
];

const POSTGRES_KEYS: &[KeySpec] = &[
    URL,
    USERNAME,
    PASSWORD,
    DB,
    CONNECTIONS,
    HOST,
    PORT,
    SOCKET,
    START,
    POOL_MIN,
    POOL_MAX.default("10"),
    ACQUIRE_TIMEOUT,
    IDLE_TIMEOUT,
    MAX_LIFETIME,
    CONNECT_TIMEOUT.default("5s"),
    TIMEOUT.default("30s"),
    PROTECTED,
    TASKS,
    // The driver's own: here a statement that leaves the cache waits for nothing.
    STATEMENT_CACHE.default("100"),
    MAX_LAG,
    FALLBACK,
    STICKY,
    TLS,
    TLS_CA,
];

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const URL: KeySpec = KeySpec::new(
    "url",
    Kind::Url,
    "The whole address, instead of `username`, `password`, `db` and the hosts; without a password when written here",
)
.reference();
const USERNAME: KeySpec = KeySpec::new("username", Kind::Text, "The name to log in with").reference();
const PASSWORD: KeySpec = KeySpec::new(
    "password",
    Kind::Secret,
    "The password: `{ env = \"NAME\" }`, `{ file = \"/path\" }`, or `\"\"` for none",
)
.reference();
const DB: KeySpec = KeySpec::new("db", Kind::Text, "The name of the database").reference();
const CONNECTIONS: KeySpec = KeySpec::new(
    "connections",
    Kind::Hosts,
    "The hosts, each a table with `host`; the first is the primary",
);
const HOST: KeySpec = KeySpec::new(
    "host",
    Kind::Host,
    "The name or address of the server; of a connection: its only host",
)
.reference();
const PORT: KeySpec = KeySpec::new("port", Kind::Port, "The port, when it is not the backend's own");
const ROLE: KeySpec = KeySpec::new(
    "role",
    Kind::Choice(&["primary", "replica"]),
    "What the server is for",
)
.default("primary");
const WEIGHT: KeySpec = KeySpec::new(
    "weight",
    Kind::Count { min: 1, max: 65_535 },
    "The server's share of the load",
)
.default("1");
const SOCKET: KeySpec = KeySpec::new(
    "socket",
    Kind::Path,
    "The path of the server's Unix socket, instead of a host",
);
const START: KeySpec = KeySpec::new(
    "start",
    Kind::Choice(&["required", "optional", "lazy"]),
    "Whether the application starts without it (`optional`), or opens it at first use (`lazy`)",
)
.default("required");
const PROTECTED: KeySpec = KeySpec::new(
    "protected",
    Kind::Bool,
    "Whether verbs that destroy data refuse it; a profile, a file or a variable may switch it on, never off",
)
.default("false");
const TASKS: KeySpec = KeySpec::new(
    "tasks",
    Kind::Bool,
    "`false` excludes it from every verb, for a database that belongs to somebody else",
)
.default("true");
const POOL_MIN: KeySpec = KeySpec::new(
    "pool.min",
    Kind::Count { min: 0, max: 10_000 },
    "Sessions that are kept open",
)
.default("0");
const POOL_MAX: KeySpec = KeySpec::new(
    "pool.max",
    Kind::Count { min: 1, max: 10_000 },
    "Sessions that may be open at once",
);
const ACQUIRE_TIMEOUT: KeySpec = KeySpec::new(
    "pool.acquire_timeout",
    Kind::Duration {
        min: MILLISECOND,
        max: HOUR,
    },
    "How long a call waits for a free session",
)
.default("5s");
const IDLE_TIMEOUT: KeySpec = KeySpec::new(
    "pool.idle_timeout",
    Kind::Duration {
        min: MILLISECOND,
        max: MONTH,
    },
    "A session that was idle for this long is closed",
)
.default("10m");
const MAX_LIFETIME: KeySpec = KeySpec::new(
    "pool.max_lifetime",
    Kind::Duration {
        min: MILLISECOND,
        max: MONTH,
    },
    "A session that was open for this long is closed",
)
.default("30m");
const CONNECT_TIMEOUT: KeySpec = KeySpec::new(
    "connect_timeout",
    Kind::Duration {
        min: MILLISECOND,
        max: HOUR,
    },
    "How long opening a session may take, the login included",
);
const TIMEOUT: KeySpec = KeySpec::new(
    "timeout",
    Kind::Duration {
        min: MILLISECOND,
        max: DAY,
    },
    "How long one operation may take, the wait for a session included",
);
const STATEMENT_CACHE: KeySpec = KeySpec::new(
    "statement_cache",
    // With none, sqlx 0.9 keeps all on PostgreSQL's side for good, and on MySQL's prepares each query anew.
    Kind::Count { min: 1, max: 65_535 },
    "Prepared statements that each session keeps",
);
const MAX_LAG: KeySpec = KeySpec::new(
    "max_lag",
    Kind::Duration {
        min: Duration::from_secs(1),
        max: DAY,
    },
    "How far behind its primary a replica may be and still be read from",
)
.default("10s");
const FALLBACK: KeySpec = KeySpec::new(
    "fallback",
    Kind::Bool,
    "Whether reads go to the primary when no replica is fit for them",
)
.default("true");
const STICKY: KeySpec = KeySpec::new(
    "sticky",
    Kind::Duration {
        min: MILLISECOND,
        max: HOUR,
    },
    "For how long after a write of this process its reads go to the primary",
);
// No default here: without the key, hosts that are neither loopback nor a socket are verified.
const TLS: KeySpec = KeySpec::new(
    "tls",
    Kind::Choice(&["verify", "require", "off"]),
    "`verify` checks the certificate and is what other hosts than loopback get by default; `require` only encrypts",
);
const TLS_CA: KeySpec = KeySpec::new(
    "tls_ca",
    Kind::Path,
    "A PEM file with the authorities that are trusted, and no others",
);
const REPLICA_SET: KeySpec = KeySpec::new("replica_set", Kind::Text, "The name of the replica set");
const READ_PREFERENCE: KeySpec = KeySpec::new(
    "read_preference",
    Kind::Choice(&[
        "primary",
        "primary_preferred",
        "secondary",
        "secondary_preferred",
        "nearest",
    ]),
    "Which members of a replica set answer reads",
)
.default("primary");
// No default here: one host without a replica set is meant as itself, everything else is discovered.
const DIRECT: KeySpec = KeySpec::new(
    "direct",
    Kind::Bool,
    "`true` talks to the one host as it is, `false` looks for the other members of its replica set",
);
const AUTH_SOURCE: KeySpec = KeySpec::new(
    "auth_source",
    Kind::Text,
    "The database that knows the user; `admin` when it is not set",
);
const MAX_VALUE: KeySpec = KeySpec::new(
    "max_value",
    Kind::Count { min: 1, max: 1 << 30 },
    "The largest value in bytes that is stored or read; the default is the server's own limit",
)
.default("1048576");
const PREFIX: KeySpec = KeySpec::new(
    "prefix",
    Kind::KeyPrefix,
    "What every key begins with, on the server and on the ring; the application does not see it",
);
const ON_DEAD_HOST: KeySpec = KeySpec::new(
    "on_dead_host",
    Kind::Choice(&["miss", "error", "rehash"]),
    "The keys of a host that is taken for dead: reads miss and writes fail, all fail, or the next host stands in",
)
.default("miss");
const FAILURE_LIMIT: KeySpec = KeySpec::new(
    "failure_limit",
    Kind::Count { min: 1, max: 1000 },
    "So many failures in a row, and one of several hosts is taken for dead",
)
.default("3");
const SQLITE_PATH: KeySpec = KeySpec::new(
    "path",
    Kind::Path,
    "The file, relative to the working directory of the process; or `:memory:`",
);
