use std::path::Path;

use super::*;

fn dsn(text: &str) -> Dsn {
    Dsn::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn password(text: &str) -> String {
    String::from_utf8_lossy(dsn(text).config().get_password().unwrap_or_default()).into_owned()
}

#[test]
fn a_url_and_its_pairs_mean_the_same() {
    let url = dsn("postgresql://app:s3cret@db.example:5433/shop?sslmode=require&application_name=a%20b");
    let pairs = dsn(
        "host=db.example port = 5433 user=app password='s3cret' dbname=shop sslmode=require application_name='a b'",
    );
    for dsn in [url, pairs] {
        assert_eq!(dsn.user(), "app");
        assert_eq!(dsn.database(), "shop");
        assert_eq!(dsn.config().get_password(), Some(b"s3cret".as_slice()));
        assert_eq!(dsn.config().get_hosts(), [Host::Tcp("db.example".to_owned())]);
        assert_eq!(dsn.config().get_ports(), [5433]);
        assert_eq!(dsn.config().get_application_name(), Some("a b"));
        assert_eq!(dsn.ssl_mode(), SslMode::Require);
    }
}

#[test]
fn odd_passwords_survive() {
    assert_eq!(password("postgres://u:p%40ss%3Aw%2Ford%25%27%5C@h/d"), r"p@ss:w/ord%'\");
    assert_eq!(password("postgres://u:p@ss:w@h/d"), "p@ss:w");
    assert_eq!(password("postgres://u:%C3%BC+ %26@h/d"), "ü+ &");
    assert_eq!(password(r"host=h user=u password='it\'s \\ a = b'"), r"it's \ a = b");
    assert_eq!(password(r"host=h user=u password=a\ b"), "a b");
    assert_eq!(password("postgres://u@h/d?password=q%26r"), "q&r");
}

#[test]
fn unix_sockets_in_every_spelling() {
    for text in [
        "postgres://u@%2Fvar%2Frun%2Fpg/d",
        "postgres:///d?host=/var/run/pg&user=u",
        "postgres://u@/d?host=%2Fvar%2Frun%2Fpg&sslmode=verify-full",
        "host=/var/run/pg user=u dbname=d sslmode=require",
    ] {
        let dsn = dsn(text);
        assert_eq!(dsn.config().get_hosts(), [Host::Unix("/var/run/pg".into())], "{text}");
        assert_eq!(dsn.ssl_mode(), SslMode::Disable, "{text}");
        assert_eq!(dsn.database(), "d");
    }
}

#[test]
fn several_hosts_and_ipv6() {
    let several = dsn("postgres://u@a:1,b,[::1]:3/d?target_session_attrs=read-write");
    assert_eq!(several.config().get_hosts(), ["a", "b", "::1"].map(|host| Host::Tcp(host.to_owned())));
    assert_eq!(several.config().get_ports(), [1, 5432, 3]);
    let pairs = dsn("host=a,b hostaddr=10.0.0.1,10.0.0.2 user=u port=5432");
    assert_eq!(pairs.config().get_hostaddrs().len(), 2);
}

#[test]
fn every_sslmode_is_read() {
    for (text, mode) in [
        ("disable", SslMode::Disable),
        ("allow", SslMode::Prefer),
        ("prefer", SslMode::Prefer),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::VerifyCa),
        ("verify-full", SslMode::VerifyFull),
    ] {
        assert_eq!(dsn(&format!("postgres://u@h/d?sslmode={text}")).ssl_mode(), mode);
    }
    assert_eq!(dsn("postgres://u@h/d").ssl_mode(), SslMode::Prefer);
    assert_eq!(dsn("postgres://u@h/d?ssl=true").ssl_mode(), SslMode::Require);
    assert_eq!(dsn("postgres://u@h/d?sslrootcert=system").ssl_mode(), SslMode::VerifyFull);
    assert_eq!(Dsn::parse("postgres://u@h/d?sslmode=on").unwrap_err(), DsnError::SslMode("on".to_owned()));
}

#[test]
fn certificates_are_kept_apart_from_what_tokio_postgres_knows() {
    let dsn = dsn("postgres://u@h/d?sslmode=verify-ca&sslrootcert=%2Fca.pem&sslcert=/c.pem&sslkey=/k.pem");
    assert_eq!(dsn.roots(), &RootCertificates::File("/ca.pem".into()));
    let (certificate, key) = dsn.identity().expect("both files");
    assert_eq!((certificate.as_path(), key.as_path()), (Path::new("/c.pem"), Path::new("/k.pem")));
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    for (text, error) in [
        ("postgres://h/d", DsnError::Missing("user")),
        ("postgres://u@/d", DsnError::Missing("host")),
        ("", DsnError::Missing("user")),
        ("postgres://u@h/d?sslmode=require&sslrootcert=system", DsnError::WeakSystemRoots),
        ("postgres://u@h/d?sslnegotiation=direct", DsnError::WeakDirect),
        ("postgres://u@h/d?sslcert=/c", DsnError::HalfIdentity("sslcert", "sslkey")),
        ("postgres://u@h/d?sslkey=/k", DsnError::HalfIdentity("sslkey", "sslcert")),
        ("postgres://u@h/d?port=1,2", DsnError::Count { hosts: 1, given: 2, what: "ports" }),
        ("host=a,b hostaddr=10.0.0.1 user=u", DsnError::Count { hosts: 2, given: 1, what: "hostaddr" }),
        ("postgres://u@h/d?colour=red", DsnError::Parameter("unknown option `colour`".to_owned())),
        ("postgres://u@h:none/d", DsnError::Parameter("invalid value for option `port`".to_owned())),
    ] {
        assert_eq!(Dsn::parse(text).unwrap_err(), error, "{text}");
    }
    for text in
        ["mysql://u@h/d", "postgres://u:%4@h/d", "postgres://u:%zz@h/d", "postgres://u@[::1/d", "host", "user='x"]
    {
        assert!(matches!(Dsn::parse(text), Err(DsnError::Syntax(_))), "{text}");
    }
    assert!(matches!(Dsn::parse("postgres://u:%00@h/d"), Err(DsnError::Syntax(_))));
}

#[test]
fn the_password_is_never_shown() {
    let dsn = dsn("postgres://u:hunter2@h:1,[::1]:2/d?sslmode=require");
    assert_eq!(dsn.to_string(), "postgres://u@h:1,::1:2/d?sslmode=require");
    assert!(!format!("{dsn:?} {:?}", dsn.config()).contains("hunter2"));
    for broken in ["postgres://u:hunter2@h:x/d", "postgres://u:hunter2%@h/d", "user=u password=hunter2 hunter2"] {
        let error = Dsn::parse(broken).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn another_database_on_the_same_server() {
    let other = dsn("postgres://u:p@h/d").with_database("e");
    assert_eq!(other.database(), "e");
    assert_eq!(other.config().get_password(), Some(b"p".as_slice()));
}

#[test]
fn the_database_is_named_as_the_user_unless_said() {
    assert_eq!(dsn("postgres://u@h").database(), "u");
}
