/// One line for an operator: what mends a server error, from its SQLSTATE and its message.
///
/// `None` where the error says it all or only time mends it. Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
/// Several refusals share a code, so the (untranslated) message decides between them; where a server speaks another
/// language the code's general remedy is given.
pub fn remedy(sqlstate: &str, message: &str) -> Option<String> {
    let says = |part: &str| message.contains(part);
    let name = || quoted(message).unwrap_or("…");
    let text = match sqlstate {
        "28P01" => format!("check the password in DATABASE_URL, or set it: ALTER ROLE \"{}\" PASSWORD '…'", name()),
        "28000" if says("pg_hba.conf") => {
            "allow this host, user, database and encryption in the server's pg_hba.conf, then: SELECT pg_reload_conf()"
                .to_owned()
        }
        "28000" if says("does not exist") => {
            format!("create the role: CREATE ROLE \"{}\" LOGIN REPLICATION PASSWORD '…'", name())
        }
        "28000" if says("not permitted to log in") => format!("ALTER ROLE \"{}\" LOGIN", name()),
        "28000" => {
            "check user, password and client certificate in DATABASE_URL against the server's pg_hba.conf".into()
        }
        "3D000" => format!("check the database in DATABASE_URL, or create it: CREATE DATABASE \"{}\"", name()),
        "42501" if says("walsender") || says("WAL sender") || says("replication") || says("REPLICATION") => {
            "let the role replicate: ALTER ROLE … REPLICATION (on RDS: GRANT rds_replication TO …)".to_owned()
        }
        "42501" if says("for database") => {
            format!("do it as the database's owner, or: GRANT CREATE ON DATABASE \"{0}\" TO …", {
                message.rsplit(' ').next().unwrap_or("…").trim_matches('"')
            })
        }
        // Since 15.19 (and its like of the other versions) Postgres loads its own plugins only, unless it is told of others.
        "42501" if says("output plugin") => format!(
            "let the server load it: ALTER SYSTEM SET output_plugin_libraries = pgoutput, test_decoding, {}; SELECT \
             pg_reload_conf()",
            name()
        ),
        "42501" => "grant the role what the message names (sql/roles.sql grants all that walcast needs)".to_owned(),
        "53300" if says("max_wal_senders") => "raise max_wal_senders and restart Postgres".to_owned(),
        "53300" if says("for role") => format!("raise it: ALTER ROLE \"{}\" CONNECTION LIMIT …", name()),
        "53300" if says("for database") => format!("raise it: ALTER DATABASE \"{}\" CONNECTION LIMIT …", name()),
        "53300" => "raise max_connections and restart Postgres, or close connections".to_owned(),
        "53400" if says("slots are in use") => {
            "drop a slot nobody reads (SELECT slot_name FROM pg_replication_slots WHERE NOT active; SELECT \
             pg_drop_replication_slot('…')), or raise max_replication_slots and restart Postgres"
                .to_owned()
        }
        "55000" if says("wal_level") => {
            "ALTER SYSTEM SET wal_level = logical, then restart Postgres (on RDS: rds.logical_replication = 1)"
                .to_owned()
        }
        "55000" if says("while in recovery") || says("on standby") => {
            "connect to the primary, e.g. with several hosts and target_session_attrs=read-write".to_owned()
        }
        "55000" if says("max_replication_slots") => "set max_replication_slots above 0 and restart Postgres".to_owned(),
        "55000" if says("can no longer get changes") || says("can no longer access replication slot") => {
            format!(
                "the slot was left behind and its log is gone: SELECT pg_drop_replication_slot('{}'), and raise \
                 max_slot_wal_keep_size",
                name()
            )
        }
        "58P01" if says("could not access file") => {
            format!("install the plugin on the server (Debian: postgresql-<major>-{}), or use pgoutput", name())
        }
        "42704" if says("publication") => {
            "the log before the publication's creation cannot be decoded: create the publication, then skip to now: \
             SELECT pg_replication_slot_advance('…', pg_current_wal_lsn())"
                .to_owned()
        }
        "42704" if says("replication slot") => "start again: the slot is made anew".to_owned(),
        "42602" if says("slot name") => "use only lower case letters, digits and _ in the slot's name".to_owned(),
        "42P01" | "3F000" if says("walcast") => "run: walcast migrate".to_owned(),
        "08P01" if says("startup parameter") => {
            "replication does not go through this connection pooler: connect to Postgres itself".to_owned()
        }
        "57014" if says("statement timeout") => "raise statement_timeout for the role".to_owned(),
        "53100" => "free space on the server's disk".to_owned(),
        _ => return None,
    };
    Some(capital(&text))
}

/// What mends it where nobody answers, or not Postgres.
pub const UNREACHABLE: &str = "Check host and port in DATABASE_URL, and that Postgres runs and listens there";
/// What mends it where the server offers no TLS and `sslmode` asks for it.
pub const NO_TLS: &str = "Turn TLS on in the server (ssl = on), or use sslmode=prefer in DATABASE_URL";
/// What mends it where the two sides cannot agree on TLS, or one does not trust the other.
pub const DISTRUSTED: &str =
    "Check sslmode, sslrootcert, sslcert and the host name in DATABASE_URL against the server's certificate";

/// What happened, and what mends it: two sentences without a full stop at the end.
pub fn advised(what: &str, remedy: Option<&str>) -> String {
    let what = what.trim_end().trim_end_matches('.');
    match remedy.map(|remedy| remedy.trim().trim_end_matches('.')) {
        Some(remedy) if !remedy.is_empty() => format!("{what}. {}", capital(remedy)),
        _ => what.to_owned(),
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// The first name in double quotes.
fn quoted(message: &str) -> Option<&str> {
    message.split('"').nth(1).map(|name| name.rsplit('/').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::{advised, remedy};

    /// Messages as Postgres 15 (and 18, where it says it otherwise) sends them.
    #[test]
    fn each_refusal_has_what_mends_it() {
        for (sqlstate, message, part) in [
            ("28P01", "password authentication failed for user \"app\"", "ALTER ROLE \"app\" PASSWORD"),
            ("28000", "role \"app\" does not exist", "CREATE ROLE \"app\" LOGIN REPLICATION"),
            ("28000", "role \"app\" is not permitted to log in", "ALTER ROLE \"app\" LOGIN"),
            ("28000", "no pg_hba.conf entry for host \"10.0.0.9\", user \"app\", database \"d\"", "pg_hba.conf"),
            ("28000", "connection requires a valid client certificate", "client certificate"),
            ("3D000", "database \"shop\" does not exist", "CREATE DATABASE \"shop\""),
            ("42501", "must be superuser or replication role to start walsender", "REPLICATION"),
            ("42501", "permission denied to start WAL sender", "ALTER ROLE"),
            ("42501", "permission denied for database shop", "GRANT CREATE ON DATABASE \"shop\""),
            ("42501", "permission denied for table orders", "roles.sql"),
            ("42501", "library \"wal2json\" may not be used as an output plugin", "test_decoding, wal2json;"),
            (
                "53300",
                "number of requested standby connections exceeds max_wal_senders (currently 1)",
                "max_wal_senders",
            ),
            ("53300", "sorry, too many clients already", "max_connections"),
            ("53300", "too many connections for role \"app\"", "ALTER ROLE \"app\" CONNECTION LIMIT"),
            ("53400", "all replication slots are in use", "max_replication_slots"),
            ("55000", "logical decoding requires wal_level >= logical", "wal_level = logical"),
            ("55000", "logical decoding cannot be used while in recovery", "primary"),
            ("55000", "can no longer get changes from replication slot \"w\"", "pg_drop_replication_slot('w')"),
            ("58P01", "could not access file \"wal2json\": No such file or directory", "-wal2json"),
            ("42704", "publication \"walcast\" does not exist", "pg_replication_slot_advance"),
            ("42602", "replication slot name \"Bad\" contains invalid character", "lower case"),
        ] {
            let text = remedy(sqlstate, message).unwrap_or_default();
            assert!(text.contains(part), "{sqlstate} {message}: {text:?} lacks {part:?}");
        }
    }

    #[test]
    fn what_happened_and_its_remedy_are_two_sentences() {
        assert_eq!(advised("It broke.", Some("mend it.")), "It broke. Mend it");
        assert_eq!(advised("it broke", Some("ALTER ROLE x")), "it broke. ALTER ROLE x");
        assert_eq!(advised("it broke.", None), "it broke");
        assert_eq!(advised("it broke", Some("")), "it broke");
    }

    #[test]
    fn what_only_time_mends_has_no_remedy() {
        assert_eq!(remedy("57P03", "the database system is starting up"), None);
        assert_eq!(remedy("57P01", "terminating connection due to administrator command"), None);
    }
}
