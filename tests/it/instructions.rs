//! `make instructions` fails where a scene takes more than it did, and where it is not compared at all.

use std::{fs, path::Path};

use tokio::process::Command;

/// The baseline, as (scene, instructions), behind the line that says what it was measured with.
fn baseline() -> (String, Vec<(String, u64)>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/instructions.tsv");
    let text = fs::read_to_string(path).expect("the baseline");
    let (head, lines) = text.split_once('\n').expect("a first line");
    let scene = |line: &str| {
        let (name, count) = line.split_once('\t').expect("a scene, a tab, a number");
        (name.to_owned(), count.parse().expect("a number"))
    };
    (head.to_owned(), lines.lines().map(scene).collect())
}

/// Whether the comparison passes, and what it says.
async fn compare(baseline: &str, measured: &str) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let files = [("baseline", baseline), ("measured", measured)].map(|(name, text)| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/compare-instructions.sh");
    let output = Command::new(script).args(files).output().await.expect("runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn table(head: &str, scenes: &[(String, u64)]) -> String {
    let lines = scenes.iter().map(|(name, count)| format!("{name}\t{count}\n"));
    format!("{head}\n{}", lines.collect::<String>())
}

#[tokio::test]
async fn each_scene_may_take_five_percent_more_instructions_and_not_six() {
    let (head, scenes) = baseline();
    let of_all_three = ["decode/pgoutput", "decode/wal2json", "diff", "dispatch"];
    assert!(of_all_three.iter().all(|part| scenes.iter().any(|(name, _)| name.starts_with(part))), "{scenes:?}");
    let before = table(&head, &scenes);
    assert!(compare(&before, &before).await.0, "nothing has changed");
    for (at, (name, count)) in scenes.iter().enumerate() {
        let after = |percent: u64| {
            let mut scenes = scenes.clone();
            scenes[at].1 = count * percent / 100;
            table(&head, &scenes)
        };
        for (percent, passes, says) in [(106, false, "more than 5 %"), (105, true, name), (94, true, "RENEW=1")] {
            let (passed, said) = compare(&before, &after(percent)).await;
            assert!(passed == passes && said.contains(says), "{name} at {percent} %: {said}");
        }
    }
}

#[tokio::test]
async fn a_scene_that_is_not_compared_fails() {
    let head = "# rustc 1";
    let scenes = |names: &[&str]| {
        let scenes: Vec<_> = names.iter().map(|name| ((*name).to_owned(), 1_000)).collect();
        table(head, &scenes)
    };
    for (baseline, measured, says) in [
        (scenes(&["a", "b"]), scenes(&["a"]), "b was not measured"),
        (scenes(&["a"]), scenes(&["a", "b"]), "b is not in the baseline"),
        (scenes(&["a"]), format!("{head}\na\t0\n"), "a number are wanted"),
        (format!("{head}\na 1000\n"), scenes(&["a"]), "a number are wanted"),
        (String::new(), String::new(), "nothing to compare"),
        (scenes(&[]), scenes(&[]), "nothing to compare"),
    ] {
        let (passed, said) = compare(&baseline, &measured).await;
        assert!(!passed && said.contains(says), "{baseline:?} beside {measured:?}: {said}");
    }
}

#[tokio::test]
async fn another_toolchain_is_named() {
    let (passed, said) = compare("# rustc 1\na\t1000\n", "# rustc 2\na\t1001\n").await;
    assert!(passed && said.contains("The baseline is of rustc 1, this of rustc 2"), "{said}");
}
