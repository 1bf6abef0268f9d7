//! Published tables without a rule: names, keys, rooms.

use super::*;

fn told(table: &Arc<Table>, key: &[&str], rules: &[Value], operation: Operation) -> Vec<String> {
    let mut stream = Stream::new(rules);
    stream.mapper.learn(table, key.iter().map(|column| (*column).into()).collect());
    stream.tell(table, operation)
}

#[test]
fn a_table_of_another_schema_is_named_with_it() {
    let table = table("sales", "orders", &[("id", INT4)]);
    assert_eq!(
        told(&table, &["id"], &[], insert(row(["5"]))),
        [r#"sales.orders:created [sales.orders:5] {"id":5,"record":{"id":5},"createdBy":null}"#]
    );
}

#[test]
fn a_composite_key_is_joined_in_the_order_of_the_key() {
    let table = table("public", "lines", &[("no", INT4), ("order", TEXT)]);
    assert_eq!(
        told(&table, &["order", "no"], &[], delete(row(["5", "a:b%"]))),
        [r#"lines:deleted [lines:a%3Ab%25:5] {"id":"a%3Ab%25:5","deletedBy":null}"#]
    );
}

#[test]
fn a_single_key_is_not_escaped() {
    let table = table("public", "tags", &[("name", TEXT)]);
    assert_eq!(
        told(&table, &["name"], &[], delete(row(["a:b%"]))),
        [r#"tags:deleted [tags:a:b%] {"id":"a:b%","deletedBy":null}"#]
    );
}

#[test]
fn a_reserved_name_cannot_reach_the_rooms_of_users_and_entities() {
    for name in ["user", "entity"] {
        let table = table("public", name, &[("id", TEXT)]);
        assert_eq!(
            told(&table, &["id"], &[], delete(row(["1:2"]))),
            [format!(r#"public.{name}:deleted [public.{name}:1:2] {{"id":"1:2","deletedBy":null}}"#)]
        );
    }
}

#[test]
fn a_name_that_is_the_prefix_of_a_rule_gives_way() {
    let table = table("public", "component", &[("id", TEXT)]);
    assert_eq!(
        told(&table, &["id"], &[components_rule()], delete(row(["1"]))),
        [r#"public.component:deleted [public.component:1] {"id":"1","deletedBy":null}"#]
    );
}

#[test]
fn no_two_tables_share_a_prefix() {
    let free = |_: &str| false;
    let names = [
        ("public", "a"),
        ("public", "s.t"),
        ("s", "t"),
        ("public.s", "t"),
        ("public", "user"),
        ("public", "public.user"),
        ("s.t", "u"),
        ("s", "t.u"),
        ("public", "a:b"),
        ("public", "a%3Ab"),
        ("user", "user"),
        ("public", "a%b"),
    ];
    let mut prefixes: Vec<_> = names.map(|(schema, name)| plain_prefix(schema, name, free).expect("free")).to_vec();
    assert!(prefixes.iter().all(|prefix| !prefix.contains(':')), "{prefixes:?}");
    prefixes.sort();
    prefixes.dedup();
    assert_eq!(prefixes.len(), names.len(), "{prefixes:?}");
    assert_eq!(plain_prefix("public", "a", |_| true), Err("public.a".into()));
}

#[test]
fn a_table_whose_every_name_is_taken_is_told_nothing_and_complained_of_once() {
    let mut taken = components_rule();
    taken["prefix"] = "sales.orders".into();
    let mut stream = Stream::new(&[taken]);
    let table = table("sales", "orders", &[("id", INT4)]);
    stream.mapper.learn(&table, vec!["id".into()]);
    let error = stream.change(&table, insert(row(["1"]))).expect_err("a complaint");
    assert!(error.to_string().contains("another table's rule"), "{error}");
    assert_eq!(stream.tell(&table, insert(row(["2"]))), [""; 0]);
    assert_eq!(stream.tell(&table, Operation::Truncate), [""; 0]);
}

#[test]
fn the_primary_key_is_asked_for_once_a_layout() {
    let mut stream = Stream::new(&[components_rule()]);
    let orders = table("public", "orders", &[("id", INT4)]);
    let inserted = entry(&orders, insert(row(["1"])));
    assert_eq!(stream.mapper.unknown_table(&inserted), Some(&orders));
    assert!(stream.take(inserted.clone()).expect_err("not learned").what.contains("primary key"));
    stream.mapper.learn(&orders, vec!["id".into()]);
    assert_eq!(stream.mapper.unknown_table(&inserted), None);
    let altered = table("public", "orders", &[("id", INT4), ("note", TEXT)]);
    assert_eq!(stream.mapper.unknown_table(&entry(&altered, insert(row(["1", "n"])))), Some(&altered));
}

#[test]
fn no_primary_key_is_asked_for_where_none_is_needed() {
    let stream = Stream::new(&[components_rule()]);
    let rules = table(RULES_SCHEMA, RULES_TABLE, &[("schema_name", TEXT)]);
    for entry in [
        entry(&components(), insert(Row::default())),
        entry(&table("public", "orders", &[]), Operation::Truncate),
        entry(&rules, insert(row(["public"]))),
        set_actor("{}"),
    ] {
        assert_eq!(stream.mapper.unknown_table(&entry), None, "{entry:?}");
    }
}

#[test]
fn a_table_without_a_key_is_told_nothing_and_complained_of_once_a_layout() {
    let mut stream = Stream::new(&[]);
    for column in ["line", "text"] {
        let announced = || table("public", "log", &[(column, TEXT)]);
        let table = announced();
        stream.mapper.learn(&table, vec![]);
        let error = stream.change(&table, insert(row(["a"]))).expect_err("a complaint");
        assert_eq!((error.table.as_deref(), error.lsn), (Some("public.log"), Lsn(0x1000)));
        assert!(error.remedy.contains("primary key"), "{error}");
        for operation in [insert(row(["b"])), update(row(["b"]), row(["c"])), delete(row(["c"]))] {
            assert_eq!(stream.tell(&table, operation), [""; 0]);
        }
        let again = announced();
        stream.mapper.learn(&again, vec![]);
        assert_eq!(stream.tell(&again, insert(row(["d"]))), [""; 0], "it is the same layout");
    }
}

#[test]
fn a_key_that_is_not_published_is_told_nothing_and_complained_of_once() {
    let mut stream = Stream::new(&[]);
    let table = table("public", "orders", &[("note", TEXT)]);
    stream.mapper.learn(&table, vec!["id".into()]);
    let error = stream.change(&table, insert(row(["a"]))).expect_err("a complaint");
    assert!(error.what.contains("column id"), "{error}");
    assert_eq!(stream.tell(&table, insert(row(["a"]))), [""; 0]);
}

#[test]
fn layouts_that_nobody_holds_are_forgotten() {
    let mut stream = Stream::new(&[]);
    let mut tables = Vec::new();
    for _ in 0..3 {
        let table = table("public", "orders", &[("id", INT4)]);
        stream.mapper.learn(&table, vec!["id".into()]);
        assert_eq!(stream.tell(&table, insert(row(["1"]))).len(), 1);
        tables.push(Arc::downgrade(&table));
    }
    let held: Vec<_> = tables.iter().map(|table| table.upgrade().is_some()).collect();
    assert_eq!(held, [false, false, true]);
}

#[test]
fn events_are_numbered_in_their_transaction() {
    let mut stream = Stream::new(&[]);
    let orders = table("public", "orders", &[("id", INT4)]);
    stream.mapper.learn(&orders, vec!["id".into()]);
    let offsets = |stream: &mut Stream| -> Vec<_> {
        for id in ["1", "2"] {
            stream.change(&orders, insert(row([id]))).expect("a change");
        }
        stream.out.drain(..).map(|event| event.offset()).collect()
    };
    assert_eq!(offsets(&mut stream), [Offset { lsn: COMMIT, n: 0 }, Offset { lsn: COMMIT, n: 1 }]);
    stream.commit().expect("a commit");
    stream.begin(Lsn(0x2000));
    assert_eq!(offsets(&mut stream), [Offset { lsn: Lsn(0x2000), n: 0 }, Offset { lsn: Lsn(0x2000), n: 1 }]);
}

#[test]
fn a_change_outside_a_transaction_is_an_error() {
    let mut stream = Stream::new(&[components_rule()]);
    stream.mapper.reset();
    for operation in [insert(Row::default()), Operation::Truncate] {
        assert!(stream.change(&components(), operation).expect_err("an error").what.contains("outside"));
    }
    assert!(stream.take(set_actor(r#"{"actor":"a"}"#)).expect_err("an error").what.contains("outside"));
    assert!(stream.out.is_empty());
}
