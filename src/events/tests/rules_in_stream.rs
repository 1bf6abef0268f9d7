//! Rules that come in the stream, and rules that are refused.

use super::*;

fn rules_table() -> Arc<Table> {
    table(
        RULES_SCHEMA,
        RULES_TABLE,
        &[("schema_name", TEXT), ("table_name", TEXT), ("prefix", TEXT), ("id_column", TEXT), ("nested", JSONB)],
    )
}

fn orders_rule(prefix: &str) -> Row {
    row(["public", "orders", prefix, "id", "∅"])
}

fn key(name: &str) -> OldRow {
    OldRow::Key(row(["public", name, "-", "-", "-"]))
}

/// A stream in which the table orders is known, and what it calls an insert into it.
struct Orders {
    stream: Stream,
    rules: Arc<Table>,
    orders: Arc<Table>,
}

impl Orders {
    fn new(rules: &[Value]) -> Self {
        let mut stream = Stream::new(rules);
        let orders = table("public", "orders", &[("id", INT4)]);
        stream.mapper.learn(&orders, vec!["id".into()]);
        Orders { stream, rules: rules_table(), orders }
    }

    fn name(&mut self) -> String {
        let told = self.stream.tell(&self.orders, insert(row(["1"])));
        told.concat().split(' ').next().unwrap_or("").to_owned()
    }

    fn rule(&mut self, operation: Operation) -> Result<(), MapError> {
        let result = self.stream.change(&self.rules, operation);
        assert!(self.stream.out.is_empty(), "a change of the rules is no event");
        result
    }

    fn commit(&mut self) -> Result<(), MapError> {
        let result = self.stream.commit();
        self.stream.begin(Lsn(0x2000));
        result
    }
}

#[test]
fn a_rule_takes_effect_at_the_commit_of_its_transaction() {
    let mut orders = Orders::new(&[]);
    orders.rule(insert(orders_rule("order"))).expect("a rule");
    assert_eq!(orders.name(), "orders:created");
    orders.commit().expect("a commit");
    assert_eq!(orders.name(), "order:created");
}

#[test]
fn rules_that_a_commit_changed_are_handed_out_once() {
    let mut orders = Orders::new(&[components_rule()]);
    orders.rule(insert(orders_rule("order"))).expect("a rule");
    assert_eq!(orders.stream.mapper.take_rules_change(), None, "they are not in force yet");
    orders.commit().expect("a commit");
    let rules = orders.stream.mapper.take_rules_change().expect("they have changed");
    assert_eq!(rules, orders.stream.mapper.rules());
    let tables: Vec<_> = rules.iter().map(|rule| rule.table_name.as_str()).collect();
    assert_eq!(tables, ["components", "orders"]);
    assert_eq!(orders.stream.mapper.take_rules_change(), None);
    orders.commit().expect("a commit");
    orders.rule(insert(orders_rule("order"))).expect("the same rule");
    orders.commit().expect("a commit");
    assert_eq!(orders.stream.mapper.take_rules_change(), None, "nothing has changed");
    orders.rule(Operation::Truncate).expect("a truncate");
    orders.commit().expect("a commit");
    assert_eq!(orders.stream.mapper.take_rules_change(), Some(vec![]));
}

#[test]
fn rules_can_be_written_down_and_taken_up_again() {
    let mut child_rows = components_rule();
    child_rows["table_name"] = "parts".into();
    child_rows["prefix"] = "part".into();
    child_rows["nested"] = json!({"parent": "parent_id", "row": "row_id"});
    let bare = json!({"schema_name": "sales", "table_name": "orders", "prefix": "order"});
    let rules = Stream::new(&[child_rows, bare, components_rule()]).mapper.rules();
    let tables: Vec<_> = rules.iter().map(|rule| rule.table_name.as_str()).collect();
    assert_eq!(tables, ["components", "parts", "orders"], "by schema and name, however they came");
    let written = serde_json::to_string(&rules).expect("JSON");
    let read: Vec<RuleSpec> = serde_json::from_str(&written).expect("rules");
    assert_eq!(read, rules);
    assert_eq!(Mapper::new(read).expect("sound rules").rules(), rules);
}

#[test]
fn a_rule_that_is_updated_moved_or_deleted_takes_effect() {
    let mut orders = Orders::new(&[]);
    orders.rule(insert(orders_rule("order"))).expect("a rule");
    orders.commit().expect("a commit");
    orders.rule(Operation::Update { old: None, new: orders_rule("sale") }).expect("a rule");
    orders.commit().expect("a commit");
    assert_eq!(orders.name(), "sale:created");
    let moved = row(["public", "other", "sale", "id", "∅"]);
    orders.rule(Operation::Update { old: Some(key("orders")), new: moved }).expect("a rule");
    orders.commit().expect("a commit");
    assert_eq!(orders.name(), "orders:created");
    orders.rule(insert(orders_rule("order"))).expect("a rule");
    orders.rule(Operation::Delete { old: key("orders") }).expect("a rule");
    orders.rule(insert(orders_rule("order"))).expect("a rule");
    orders.commit().expect("a commit");
    assert_eq!(orders.name(), "order:created");
    orders.rule(Operation::Delete { old: key("orders") }).expect("a rule");
    orders.commit().expect("a commit");
    assert_eq!(orders.name(), "orders:created");
}

#[test]
fn truncating_the_rules_takes_them_all_away() {
    let mut orders = Orders::new(&[]);
    orders.rule(insert(orders_rule("order"))).expect("a rule");
    orders.commit().expect("a commit");
    orders.rule(Operation::Truncate).expect("a truncate");
    orders.commit().expect("a commit");
    assert_eq!(orders.name(), "orders:created");
}

#[test]
fn rules_of_a_transaction_that_starts_again_are_forgotten() {
    let mut orders = Orders::new(&[]);
    orders.rule(insert(orders_rule("order"))).expect("a rule");
    orders.stream.mapper.reset();
    orders.stream.begin(COMMIT);
    orders.commit().expect("a commit");
    assert_eq!(orders.name(), "orders:created");
}

#[test]
fn a_bad_rule_is_an_error_and_the_old_one_stays() {
    let mut orders = Orders::new(&[]);
    orders.rule(insert(orders_rule("order"))).expect("a rule");
    orders.commit().expect("a commit");
    for bad in [
        orders_rule(""),
        orders_rule("a:b"),
        orders_rule("user"),
        orders_rule("∅"),
        row(["public", "orders", "order", "id", "{"]),
        row(["public", "orders", "order", "id", r#"{"column": 1}"#]),
        row(["public", "orders", "…", "id", "∅"]),
        Row::default(),
    ] {
        let error = orders.rule(Operation::Update { old: None, new: bad.clone() }).expect_err("an error");
        assert_eq!(error.table.as_deref(), Some("walcast.rules"), "{bad:?}: {error}");
        assert!(error.remedy.contains("broadcast_table"), "{error}");
    }
    orders.rule(Operation::Delete { old: OldRow::Key(Row::default()) }).expect_err("of which table?");
    orders.commit().expect("a commit");
    assert_eq!(orders.name(), "order:created");
}

#[test]
fn a_prefix_that_another_table_has_is_refused_at_the_commit() {
    let mut orders = Orders::new(&[components_rule()]);
    orders.rule(insert(orders_rule("order"))).expect("a rule");
    orders.commit().expect("a commit");
    orders.rule(Operation::Update { old: None, new: orders_rule("component") }).expect("a rule by itself");
    let error = orders.commit().expect_err("taken");
    assert!(error.what.contains("public.components"), "{error}");
    assert_eq!(orders.name(), "order:created");
}

#[test]
fn tables_may_trade_prefixes_in_a_transaction() {
    let mut orders = Orders::new(&[components_rule()]);
    orders.rule(insert(orders_rule("component"))).expect("a rule");
    orders.rule(insert(row(["public", "components", "order", "id", "∅"]))).expect("a rule");
    orders.commit().expect("a trade");
    assert_eq!(orders.name(), "component:created");
}

#[test]
fn a_new_rule_that_needs_the_primary_key_asks_for_it() {
    let mut stream = Stream::new(&[components_rule()]);
    let components = components();
    let inserted = insert(row(["c1", "page", "1", "A", "[]", "1", "∅", "∅"]));
    assert_eq!(stream.tell(&components, inserted.clone()).len(), 1);
    stream.change(&rules_table(), row_rule_without_id()).expect("a rule");
    stream.commit().expect("a commit");
    stream.begin(Lsn(0x2000));
    assert_eq!(stream.mapper.unknown_table(&entry(&components, inserted.clone())), Some(&components));
    stream.mapper.learn(&components, vec!["entity_id".into()]);
    assert!(stream.tell(&components, inserted)[0].starts_with("component:created [component:1] "));

    fn row_rule_without_id() -> Operation {
        insert(row(["public", "components", "component", "∅", "∅"]))
    }
}

#[test]
fn a_complaint_is_made_again_under_new_rules() {
    let mut stream = Stream::new(&[]);
    let log = table("public", "log", &[("line", TEXT)]);
    stream.mapper.learn(&log, vec![]);
    stream.change(&log, insert(row(["a"]))).expect_err("a complaint");
    stream.change(&rules_table(), insert(row(["public", "log", "log", "no_such", "∅"]))).expect("a rule");
    stream.commit().expect("a commit");
    stream.begin(Lsn(0x2000));
    let error = stream.change(&log, insert(row(["a"]))).expect_err("a complaint");
    assert!(error.what.contains("no_such"), "{error}");
    assert_eq!(stream.tell(&log, insert(row(["a"]))), [""; 0]);
}

#[test]
fn rules_that_cannot_be_followed_are_refused_by_name() {
    let fault = |edit: fn(&mut Value)| {
        let mut json = components_rule();
        edit(&mut json);
        let error = Mapper::new(vec![rule(json)]).expect_err("refused");
        assert_eq!(error.table, "public.components");
        error.fault
    };
    assert_eq!(fault(|rule| rule["prefix"] = "".into()), RuleFault::EmptyPrefix);
    assert_eq!(fault(|rule| rule["prefix"] = "a:b".into()), RuleFault::ColonInPrefix("a:b".into()));
    assert_eq!(fault(|rule| rule["prefix"] = "user".into()), RuleFault::ReservedPrefix("user".into()));
    assert_eq!(fault(|rule| rule["prefix"] = "entity".into()), RuleFault::ReservedPrefix("entity".into()));
    assert_eq!(fault(|rule| rule["prefix"] = "version".into()), RuleFault::AmbiguousPrefix("version".into()));
    assert_eq!(fault(|rule| rule["prefix"] = "row".into()), RuleFault::AmbiguousPrefix("row".into()));
    assert_eq!(fault(|rule| rule["entity_id_column"] = Value::Null), RuleFault::HalfAnEntity);
    assert!(matches!(fault(|rule| rule["nested"]["children"] = "id".into()), RuleFault::Nested(..)));
    assert!(matches!(fault(|rule| rule["nested"] = json!({"parent": "a", "row": "a"})), RuleFault::Nested(..)));
}

#[test]
fn two_rules_for_a_table_or_a_prefix_are_refused() {
    let twice = Mapper::new(vec![rule(components_rule()), rule(components_rule())]).expect_err("refused");
    assert_eq!(twice.fault, RuleFault::SecondRule);
    let mut other = components_rule();
    other["table_name"] = "other".into();
    let taken = Mapper::new(vec![rule(components_rule()), rule(other)]).expect_err("refused");
    assert_eq!(taken.fault, RuleFault::PrefixTaken { prefix: "component".into(), other: "public.components".into() });
}
