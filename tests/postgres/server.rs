//! A real PostgreSQL server, started for one test program and gone with it.

use std::fs;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use cpv_consent::store::Postgres;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_postgres::{Client, NoTls};

/// The server of this program, for tests that leave it running. `None` where its programs are not
/// on the machine: then the test's name is told, and nothing else can be.
pub fn shared() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(Server::start).as_ref().or_else(not_run)
}

/// A server for one test alone, which may stop it.
pub fn own() -> Option<Server> {
    Server::start().or_else(not_run)
}

fn not_run<T>() -> Option<T> {
    assert!(
        std::env::var_os("CPV_REQUIRE_POSTGRES").is_none(),
        "no PostgreSQL server on this machine: initdb, pg_ctl and postgres are needed"
    );
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not by a macro: what those print is shown only of tests that fail.
    let _ = writeln!(io::stderr(), "not run, for want of a PostgreSQL server: {test}");
    None
}

/// A server on a port of this machine, reached by plain text and by TLS.
#[derive(Debug)]
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    pub port: u16,
    /// Who signed its certificate, as PEM.
    pub authority: String,
    /// Stops the server and removes its folder once this program is gone, however it went.
    _guard: Child,
}

impl Server {
    fn start() -> Option<Self> {
        let certificates = Certificates::generate();
        let server = Self::nowhere(programs()?, certificates.authority.clone());
        server.make(&certificates);
        server.start_again();
        Some(server)
    }

    /// A folder and a port for a server that is to be made.
    fn nowhere(programs: PathBuf, authority: String) -> Self {
        let folder = tempfile::Builder::new().prefix("cpv-postgres-").tempdir().expect("a folder");
        let folder = folder.keep();
        give_away(&folder);
        let guard = guard(&programs, &folder);
        Self { programs, folder, port: free_port(), authority, _guard: guard }
    }

    /// A server that follows this one. From now on nothing is committed here that is not there.
    pub async fn standby(&self) -> Self {
        let standby = Self::nowhere(self.programs.clone(), self.authority.clone());
        let mut copy = as_owner(&self.programs.join("pg_basebackup"));
        copy.args(["-R", "-c", "fast", "--no-sync", "-d", &self.url("postgres", "postgres")]);
        run(copy.arg("-D").arg(standby.data()));
        let settings = standby.data().join("postgresql.auto.conf");
        let copied = fs::read_to_string(settings).expect("ours");
        standby.write("postgresql.auto.conf", &(copied + &standby.place()));
        standby.start_again();
        let superuser = self.superuser("postgres").await;
        let wait = "ALTER SYSTEM SET synchronous_standby_names = '*'";
        superuser.batch_execute(wait).await.expect("a setting");
        superuser.batch_execute("SELECT pg_reload_conf()").await.expect("read");
        let follows = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'";
        while superuser.query(follows, &[]).await.expect("rows").is_empty() {}
        standby
    }

    /// Makes a standby a server of its own, which takes writes once this returns.
    pub fn promote(&self) {
        run(self.control().args(["-w", "-t", "60", "promote"]));
    }

    fn make(&self, certificates: &Certificates) {
        let mut init = as_owner(&self.programs.join("initdb"));
        init.args(["-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C", "-U", "postgres"]);
        init.arg("--wal-segsize=1");
        run(init.arg("-D").arg(self.data()));
        self.write("server.crt", &certificates.certificate);
        self.write("server.key", &certificates.key);
        self.write("pg_hba.conf", ADMISSION);
        self.write("postgresql.auto.conf", &(self.place() + SETTINGS));
    }

    fn place(&self) -> String {
        let (port, folder) = (self.port, self.folder.display());
        format!("port = {port}\nunix_socket_directories = '{folder}'\n")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.data().join(name);
        fs::write(&path, text).expect("ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
        give_away(&path);
    }

    /// Starts it after a stop.
    pub fn start_again(&self) {
        let log = self.folder.join("log");
        run(self.control().args(["-w", "-t", "60", "-l"]).arg(log).arg("start"));
    }

    /// As a crash stops it: no checkpoint, no farewell.
    pub fn stop_at_once(&self) {
        run(self.control().args(["-w", "-m", "immediate", "stop"]));
    }

    fn control(&self) -> Command {
        let mut control = as_owner(&self.programs.join("pg_ctl"));
        control.arg("-D").arg(self.data());
        control
    }

    /// What `pg_dump` writes of a database.
    pub fn dump(&self, database: &str, arguments: &[&str]) -> Vec<u8> {
        let mut dump = as_owner(&self.programs.join("pg_dump"));
        dump.args(arguments).args(["-d", &self.url("postgres", database)]);
        run(&mut dump)
    }

    /// Runs what `pg_dump` wrote.
    pub fn restore(&self, database: &str, dump: &[u8]) {
        let path = self.folder.join("restored.sql");
        fs::write(&path, dump).expect("ours");
        let mut restore = as_owner(&self.programs.join("psql"));
        restore.args(["-q", "-v", "ON_ERROR_STOP=1", "-d", &self.url("postgres", database), "-f"]);
        run(restore.arg(path));
    }

    /// Where it keeps everything, its log of writes included.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Where its Unix socket is.
    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// The address of a database for a role, in plain text.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// A connection of the superuser, who can do everything.
    pub async fn superuser(&self, database: &str) -> Client {
        connection(&self.url("postgres", database)).await
    }

    /// A database that `owner` owns, with nothing in it.
    pub async fn empty_database(&self) -> Database<'_> {
        self.superuser("postgres").await.batch_execute(ROLES).await.expect("roles");
        self.copy_of("template1").await
    }

    async fn copy_of(&self, template: &str) -> Database<'_> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("store_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let sql = format!("CREATE DATABASE {name} OWNER owner TEMPLATE {template}");
        self.superuser("postgres").await.batch_execute(&sql).await.expect("a database");
        Database { server: self, name }
    }

    /// A database with a store in it, which the role `panel` may use and not change.
    pub async fn database(&self) -> Database<'_> {
        let database = self.empty_database().await;
        Postgres::migrate(&database.url("owner")).await.expect("a store");
        let owner = connection(&database.url("owner")).await;
        owner.batch_execute(GRANTS).await.expect("rights");
        database
    }
}

/// A database of one test.
#[derive(Debug)]
pub struct Database<'s> {
    pub server: &'s Server,
    pub name: String,
}

impl<'s> Database<'s> {
    /// Another one with all that is in it. Whoever is connected to it is cut off.
    pub async fn copy(&self) -> Database<'s> {
        let sql =
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1";
        let superuser = self.server.superuser("postgres").await;
        superuser.query(sql, &[&self.name]).await.expect("ended");
        self.server.copy_of(&self.name).await
    }

    pub fn url(&self, role: &str) -> String {
        self.server.url(role, &self.name)
    }

    /// The store, by the role that has no right but those it needs.
    pub async fn open(&self) -> Postgres {
        Postgres::connect(&self.url("panel")).await.expect("a store")
    }

    pub async fn superuser(&self) -> Client {
        self.server.superuser(&self.name).await
    }

    /// Runs statements as someone who can do everything.
    pub async fn execute(&self, sql: &str) {
        self.superuser().await.batch_execute(sql).await.expect("a statement");
    }

    /// One number.
    pub async fn count(&self, sql: &str) -> i64 {
        self.superuser().await.query_one(sql, &[]).await.expect("a row").get(0)
    }
}

async fn connection(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a server");
    tokio::spawn(connection);
    client
}

/// What an operator runs once after `migrate`: `panel` is the role of the processes.
pub const GRANTS: &str = "
    GRANT USAGE ON SCHEMA cpv_consent TO panel;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA cpv_consent TO panel;
    ALTER DEFAULT PRIVILEGES IN SCHEMA cpv_consent
        GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO panel;
";

/// `locked` needs a password, `careful` needs TLS, `nobody` is admitted nowhere.
const ROLES: &str = "
    SELECT pg_advisory_xact_lock(1);
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'panel') THEN
            CREATE ROLE owner LOGIN;
            CREATE ROLE panel LOGIN;
            CREATE ROLE careful LOGIN IN ROLE panel;
            CREATE ROLE nobody LOGIN;
            CREATE ROLE locked LOGIN PASSWORD 'right-password' IN ROLE panel;
        END IF;
    END $$;
";

const ADMISSION: &str = "
local     all locked               scram-sha-256
local     all all                  trust
host      all locked  127.0.0.1/32 scram-sha-256
hostssl   all careful 127.0.0.1/32 trust
host      all careful 127.0.0.1/32 reject
host      all nobody  127.0.0.1/32 reject
host      all all     127.0.0.1/32 trust
host      replication postgres 127.0.0.1/32 trust
";

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
ssl = on
max_connections = 200
shared_buffers = 16MB
min_wal_size = 2MB
deadlock_timeout = 100ms
";

struct Certificates {
    authority: String,
    certificate: String,
    key: String,
}

impl Certificates {
    /// For `localhost` and `db.example`, and not for an address.
    fn generate() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, issuer).expect("a certificate");
        let names = ["localhost".to_owned(), "db.example".to_owned()];
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        Self {
            authority: authority.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// Where the server's programs are: Debian keeps them out of `PATH`.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = installed.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let complete = |folder: &PathBuf| {
        ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).is_file())
    };
    let found = std::env::split_paths(&path).chain(debian.into_iter().rev()).find(complete)?;
    // Beside the programs that a link leads to lie the others.
    let real = fs::canonicalize(found.join("pg_ctl")).expect("it is there");
    real.parent().map(Path::to_owned)
}

/// The server does not run as root.
fn as_owner(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
    command.current_dir("/");
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// To whom the server runs as.
pub fn give_away(path: &Path) {
    if is_root() {
        let id = |kind| {
            let printed = run(Command::new("id").args([kind, "postgres"]));
            String::from_utf8_lossy(&printed).trim().parse().expect("a number")
        };
        chown(path, Some(id("-u")), Some(id("-g"))).expect("root may");
    }
}

/// A shell that waits until this program closes its end of the pipe: the kernel does, at the latest.
fn guard(programs: &Path, folder: &Path) -> Child {
    let stop = as_owner(&programs.join("pg_ctl"));
    let mut guard = Command::new("sh");
    guard.args(["-c", GUARD, "guard"]).arg(folder).arg(stop.get_program()).args(stop.get_args());
    guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    guard.spawn().expect("a shell")
}

const GUARD: &str = r#"
trap '' INT TERM HUP
folder=$1; shift
read -r _
"$@" -D "$folder/data" -m immediate stop
rm -rf "$folder"
"#;

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// What it prints, once it has ended well.
fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().expect("an installed program");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    output.stdout
}
