//! Getting in: every way of logging in, over TCP and a Unix socket, and what each sslmode takes and refuses.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SignatureAlgorithm};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use walcast::{
    postgres::{Dsn, tls},
    replication::{Action, Plugin, ReplicationError, Settings, prepare},
};

use crate::support::Cluster;

const ROLES: &str = "SET password_encryption = 'md5'; CREATE ROLE u_md5 LOGIN REPLICATION PASSWORD 'm d5'''; \
     SET password_encryption = 'scram-sha-256'; CREATE ROLE u_scram LOGIN REPLICATION PASSWORD 'p@ss:wörd'; \
     CREATE ROLE u_plain LOGIN REPLICATION PASSWORD 'plain'; CREATE ROLE u_cert LOGIN REPLICATION; \
     GRANT CREATE ON DATABASE postgres TO u_md5, u_scram, u_plain, u_cert";

const HBA: &str = "local all u_md5 md5\nlocal all u_scram scram-sha-256\nlocal all u_plain password\n\
     hostssl all u_cert all cert\nhost all u_md5 all md5\nhost all u_scram all scram-sha-256\n\
     host all u_plain all password\nhost all postgres all trust\n";

/// Key-value pairs that log in.
const LOGINS: [&str; 3] =
    ["user=u_md5 password='m d5\\''", "user=u_scram password='p@ss:wörd'", "user=u_plain password=plain"];

/// A cluster with TLS; `more` are parameters of the DSN, `ca`, `wrong` and `server` name its certificates in them.
struct Secure {
    cluster: Cluster,
    files: TempDir,
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority(name: &str) -> Authority {
    let key = KeyPair::generate().expect("a key");
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    let pem = parameters.self_signed(&key).expect("a certificate").pem();
    Authority { issuer: Issuer::new(parameters, key), pem }
}

fn signed(by: &Authority, common_name: &str, algorithm: &'static SignatureAlgorithm) -> (String, String) {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let mut parameters = CertificateParams::new(vec!["db.test".to_owned()]).expect("parameters");
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    (parameters.signed_by(&key, &by.issuer).expect("a certificate").pem(), key.serialize_pem())
}

impl Secure {
    async fn start() -> Secure {
        let (ca, wrong) = (authority("the CA"), authority("another CA"));
        let server = signed(&ca, "db.test", &rcgen::PKCS_ECDSA_P256_SHA256);
        let client = signed(&ca, "u_cert", &rcgen::PKCS_ECDSA_P256_SHA256);
        let files = TempDir::new().expect("a directory");
        for (name, pem) in
            [("ca", &ca.pem), ("wrong", &wrong.pem), ("server", &server.0), ("client", &client.0), ("key", &client.1)]
        {
            std::fs::write(files.path().join(name), pem).expect("writes");
        }
        let settings = ["ssl = on", "ssl_ca_file = 'ca.crt'"];
        let cluster = Cluster::start_with(&settings, HBA, |data| {
            put(data, "server.crt", &server.0);
            put(data, "server.key", &server.1);
            put(data, "ca.crt", &ca.pem);
        })
        .await;
        cluster.sql("CREATE PUBLICATION walcast").await;
        cluster.sql(ROLES).await;
        Secure { cluster, files }
    }

    /// Over TCP to `host`, with `{ca}` and the like in `more` replaced by their files.
    async fn login(&self, host: &str, more: &str) -> Result<(), ReplicationError> {
        let mut more = more.to_owned();
        for name in ["ca", "wrong", "server", "client", "key"] {
            more = more.replace(&format!("{{{name}}}"), self.files.path().join(name).to_str().expect("UTF-8"));
        }
        let settings = self.cluster.settings_as(Plugin::PgOutput, &format!("host={host} hostaddr=127.0.0.1 {more}"));
        let ours = prepare(&settings).await.map(|_| ());
        // The pool must get in exactly where we do.
        let pool = settings.dsn.config().connect(tls(&settings.dsn).expect("certificates")).await;
        assert_eq!(pool.is_ok(), ours.is_ok(), "{more}: the pool {:?}, we {ours:?}", pool.err());
        ours
    }
}

fn put(data: &Path, name: &str, pem: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(data.join(name), pem).expect("writes");
    std::fs::set_permissions(data.join(name), std::fs::Permissions::from_mode(0o600)).expect("sets");
}

#[tokio::test]
async fn every_password_method_over_tcp_and_a_socket() {
    let cluster = Cluster::start_with(&[], HBA, |_| {}).await;
    cluster.sql("CREATE PUBLICATION walcast").await;
    cluster.sql(ROLES).await;
    for login in LOGINS {
        for way in ["", "host=127.0.0.1"] {
            let settings = cluster.settings_as(Plugin::PgOutput, &format!("{login} {way}"));
            prepare(&settings).await.unwrap_or_else(|error| panic!("{login} {way}: {error}"));
        }
        let wrong = login.split_once(" password").map_or(login, |(user, _)| user);
        for (password, part) in [("password=no", "ALTER ROLE"), ("", "")] {
            let settings = cluster.settings_as(Plugin::PgOutput, &format!("{wrong} {password} host=127.0.0.1"));
            let error = prepare(&settings).await.expect_err("a wrong password");
            assert_eq!(error.action(), Action::TellOperator, "{error}");
            assert!(error.remedy().unwrap_or_default().contains(part), "{error}: {:?}", error.remedy());
        }
    }
}

#[tokio::test]
async fn a_good_certificate_serves_every_sslmode() {
    let secure = Secure::start().await;
    for mode in ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] {
        let login = format!("user=u_scram password='p@ss:wörd' sslmode={mode} sslrootcert={{ca}}");
        secure.login("db.test", &login).await.unwrap_or_else(|error| panic!("{mode}: {error}"));
    }
    for login in LOGINS {
        secure.login("db.test", &format!("{login} sslmode=require")).await.expect("logs in over TLS");
    }
    let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'u_md5'";
    assert_ne!(secure.cluster.value(encrypted).await.as_deref(), Some("f"));
}

#[tokio::test]
async fn a_stranger_s_certificate_is_refused_where_it_is_checked() {
    let secure = Secure::start().await;
    for (mode, roots, host, taken) in [
        ("require", "", "db.test", true),
        ("require", "{wrong}", "db.test", false),
        ("prefer", "{wrong}", "db.test", false),
        ("verify-ca", "{wrong}", "db.test", false),
        ("verify-full", "{wrong}", "db.test", false),
        ("require", "{ca}", "other.test", true),
        ("verify-ca", "{ca}", "other.test", true),
        ("verify-full", "{ca}", "other.test", false),
        ("verify-full", "{ca}", "127.0.0.1", false),
        // The manual's way: the server's own certificate as its root.
        ("verify-full", "{server}", "db.test", true),
        ("verify-full", "{server}", "other.test", false),
        // The system's roots know neither.
        ("verify-full", "system", "db.test", false),
    ] {
        let roots = if roots.is_empty() { String::new() } else { format!("sslrootcert={roots}") };
        let login = format!("user=u_scram password='p@ss:wörd' sslmode={mode} {roots}");
        let outcome = secure.login(host, &login).await;
        assert_eq!(outcome.is_ok(), taken, "{mode} {roots} {host}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(matches!(error, ReplicationError::Handshake { .. }), "{error}");
            assert_eq!(error.action(), Action::TellOperator, "{error}");
            assert!(error.remedy().unwrap_or_default().contains("sslrootcert"));
        }
    }
}

#[tokio::test]
async fn a_client_certificate_logs_in() {
    let secure = Secure::start().await;
    secure
        .login("db.test", "user=u_cert sslmode=verify-full sslrootcert={ca} sslcert={client} sslkey={key}")
        .await
        .expect("logs in");
    let error = secure.login("db.test", "user=u_cert sslmode=require").await.expect_err("no certificate");
    assert_eq!(error.action(), Action::TellOperator, "{error}");
}

#[tokio::test]
async fn a_server_without_tls_serves_prefer_and_not_require() {
    let cluster = Cluster::start_with(&[], HBA, |_| {}).await;
    cluster.sql("CREATE PUBLICATION walcast").await;
    let settings = |mode| cluster.settings_as(Plugin::PgOutput, &format!("host=127.0.0.1 sslmode={mode}"));
    prepare(&settings("prefer")).await.expect("goes without");
    let error = prepare(&settings("require")).await.expect_err("no TLS");
    assert!(matches!(error, ReplicationError::NoTls { .. }), "{error}");
}

#[tokio::test]
async fn channel_binding_is_used_where_it_can_be_and_insisted_on_where_asked() {
    let secure = Secure::start().await;
    let [md5, scram, _] = LOGINS;
    for (login, taken) in [
        (format!("{scram} sslmode=require channel_binding=require"), true),
        (format!("{scram} sslmode=require channel_binding=disable"), true),
        (format!("{scram} sslmode=disable channel_binding=require"), false),
        (format!("{md5} sslmode=require channel_binding=require"), false),
        ("user=postgres sslmode=require channel_binding=require".to_owned(), false),
    ] {
        let outcome = secure.login("db.test", &login).await;
        assert_eq!(outcome.is_ok(), taken, "{login}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(matches!(error, ReplicationError::Login { .. }), "{error}");
        }
    }
}

#[tokio::test]
async fn channel_binding_hashes_as_the_certificate_is_signed() {
    for algorithm in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ECDSA_P521_SHA512] {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let parameters = CertificateParams::new(vec!["db.test".to_owned()]).expect("parameters");
        let certificate = parameters.self_signed(&key).expect("a certificate").pem();
        let cluster = Cluster::start_with(&["ssl = on"], HBA, |data| {
            put(data, "server.crt", &certificate);
            put(data, "server.key", &key.serialize_pem());
        })
        .await;
        cluster.sql("CREATE PUBLICATION walcast").await;
        cluster.sql(ROLES).await;
        let more = format!("{} host=127.0.0.1 sslmode=require channel_binding=require", LOGINS[1]);
        let outcome = prepare(&cluster.settings_as(Plugin::PgOutput, &more)).await;
        outcome.unwrap_or_else(|error| panic!("{algorithm:?}: {error}"));
    }
}

#[tokio::test]
async fn of_several_hosts_the_first_that_takes_us_serves() {
    let cluster = Cluster::start_with(&[], HBA, |_| {}).await;
    cluster.sql("CREATE PUBLICATION walcast").await;
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let hosts = format!("host=127.0.0.1,127.0.0.1 port={free},{}", cluster.port);
    prepare(&cluster.settings_as(Plugin::PgOutput, &format!("{hosts} target_session_attrs=read-write")))
        .await
        .expect("the second serves");
    let error = prepare(&cluster.settings_as(Plugin::PgOutput, &format!("{hosts} target_session_attrs=read-only")))
        .await
        .expect_err("neither serves");
    assert!(matches!(error, ReplicationError::SessionAttributes { .. }), "{error}");
}

/// Nothing but a listener on this port.
fn settings_for(port: u16) -> Settings {
    let dsn = format!("host=127.0.0.1 port={port} user=u connect_timeout=1 sslmode=disable");
    Settings {
        dsn: Dsn::parse(&dsn).expect("a DSN"),
        slot: "w".to_owned(),
        publication: "w".to_owned(),
        plugin: Plugin::PgOutput,
        temporary: false,
        replay_bytes: 0,
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let error = prepare(&settings_for(port)).await.expect_err("nobody answers");
    assert!(matches!(error, ReplicationError::Timeout { .. }), "{error}");
    assert_eq!(error.action(), Action::Retry);
}

#[tokio::test]
async fn what_is_not_postgres_is_not_listened_to() {
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"R\0\0\0\x08\0\0\0\x63", b"W\0\0\0\x07\0\0\0", b""] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let settings = settings_for(listener.local_addr().expect("an address").port());
        let server = async {
            let (mut socket, _) = listener.accept().await.expect("accepts");
            socket.write_all(answer).await.expect("writes");
            socket.shutdown().await.expect("ends");
            socket
        };
        let (outcome, _socket) = tokio::join!(prepare(&settings), server);
        let error = outcome.expect_err("not Postgres");
        let expected = if answer.is_empty() {
            matches!(error, ReplicationError::Closed)
        } else {
            matches!(error, ReplicationError::Protocol(_))
        };
        assert!(expected, "{answer:?}: {error}");
    }
}
