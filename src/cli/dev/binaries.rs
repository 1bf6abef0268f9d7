use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The folder with `initdb`, `pg_ctl` and `postgres`: `PG_BIN`, else a folder of PATH, else the newest of the usual places.
pub fn find() -> Result<PathBuf, String> {
    if let Some(named) = env::var_os("PG_BIN").map(PathBuf::from) {
        let complete = is_complete(&named);
        return complete.then_some(named.clone()).ok_or_else(|| {
            format!("PG_BIN names {}, which does not hold initdb, pg_ctl and postgres", named.display())
        });
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(usual_places()).find(|folder| is_complete(folder)).ok_or_else(|| {
        "no Postgres found: install it (Debian: apt-get install postgresql postgresql-15-wal2json), or name the folder \
             with its binaries in PG_BIN"
            .to_owned()
    })
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).is_file())
}

/// Where packages put the binaries: a folder a version, the newest first.
fn usual_places() -> Vec<PathBuf> {
    let versions = |parent: &str, prefix: &str, bin: &str| {
        let mut found: Vec<(u32, PathBuf)> = fs::read_dir(parent)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                Some((name.to_str()?.strip_prefix(prefix)?.parse().ok()?, entry.path().join(bin)))
            })
            .collect();
        found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
        found.into_iter().map(|(_, path)| path)
    };
    versions("/usr/lib/postgresql", "", "bin")
        .chain(versions("/usr", "pgsql-", "bin"))
        .chain(versions("/opt/homebrew/opt", "postgresql@", "bin"))
        .chain(versions("/Applications/Postgres.app/Contents/Versions", "", "bin"))
        .collect()
}
