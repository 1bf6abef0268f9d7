use super::{Case, Finding};

/// The oldest server whose pgoutput sends logical messages.
const OLDEST: u32 = 140_000;

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    judge(case.survey.server.version)
}

fn judge(version: u32) -> Vec<Finding> {
    if version >= OLDEST {
        return Vec::new();
    }
    vec![Finding::error(
        "version",
        format!("Postgres {} is too old: walcast needs {} or later", version / 10_000, OLDEST / 10_000),
        "its pgoutput sends no logical messages, by which walcast.set_actor names who makes a change",
        "upgrade Postgres",
    )]
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn thirteen_is_too_old_and_fourteen_is_not() {
        assert!(judge(130_021).iter().any(|finding| finding.what.contains("Postgres 13")));
        assert_eq!(judge(140_000), []);
    }
}
