//! Whatever the log says, there is no panic, and what is told is JSON and of this row alone.

use proptest::prelude::*;

use super::*;

const TYPES: [u32; 16] = [16, 17, 20, 23, 25, 114, 700, 1000, 1007, 1009, 1020, 1231, 1700, 2950, 3802, 3807];

/// Texts that suit some type or none.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[tf]|-?[0-9]{1,30}(\\.[0-9]{1,9})?|NaN|-Infinity",
        "[\\[\\]{}\",:0-9atx\\\\ ]{0,20}",
        Just(r#"[{"id": 1, "components": [{"id": 2, "x": null}]}]"#.to_owned()),
        Just(r#"[{"id": 1, "components": [{"id": 2}, {"id": "\u2028"}]}]"#.to_owned()),
        Just("\u{2028}\u{0}\u{7f}\u{feff}".to_owned()),
    ]
}

/// A text, or what stands in place of one.
fn cell() -> impl Strategy<Value = Result<String, Cell<'static>>> {
    prop_oneof![
        6 => text().prop_map(Ok),
        2 => Just(Err(Cell::Null)),
        1 => Just(Err(Cell::Unchanged)),
        1 => Just(Err(Cell::Absent)),
    ]
}

fn any_row() -> impl Strategy<Value = Row> {
    let row = |cells: Vec<Result<String, Cell<'static>>>| {
        cells.iter().map(|cell| cell.as_ref().map_or_else(|other| *other, |text| Cell::from(text.as_str()))).collect()
    };
    prop::collection::vec(cell(), 0..8).prop_map(row)
}

fn any_old_row() -> impl Strategy<Value = OldRow> {
    (any_row(), any::<bool>()).prop_map(|(row, is_full)| if is_full { OldRow::Full(row) } else { OldRow::Key(row) })
}

fn any_operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        1 => any_row().prop_map(|new| Operation::Insert { new }),
        4 => (prop::option::of(any_old_row()), any_row()).prop_map(|(old, new)| Operation::Update { old, new }),
        1 => any_old_row().prop_map(|old| Operation::Delete { old }),
        1 => Just(Operation::Truncate),
    ]
}

const COLUMNS: [&str; 6] = ["id", "entity_type", "entity_id", "rows", "parent", "by"];

fn any_table() -> impl Strategy<Value = Arc<Table>> {
    let column = prop::sample::select(TYPES.to_vec());
    let columns = (prop::collection::vec(column, 6), 0..7_usize, any::<bool>());
    (columns, "(public|walcast|\\PC{0,4})", "(things|rules|user|\\PC{0,4})").prop_map(
        |((types, len, json), schema, name)| {
            let mut columns: Vec<_> = COLUMNS.iter().copied().zip(types).take(len).collect();
            if let (Some(rows), true) = (columns.get_mut(3), json) {
                rows.1 = JSONB;
            }
            table(&schema, &name, &columns)
        },
    )
}

fn any_rule(table: &Table) -> impl Strategy<Value = Vec<RuleSpec>> + use<> {
    let (schema, name) = (table.schema.to_string(), table.name.to_string());
    (0..4).prop_map(move |kind| {
        let nested = match kind {
            0 => return vec![],
            1 => Value::Null,
            2 => json!({"column": "rows", "children": "components"}),
            _ => json!({"parent": "parent", "row": "entity_id"}),
        };
        vec![rule(json!({
            "schema_name": schema, "table_name": name, "prefix": "thing", "entity_type_column": "entity_type",
            "entity_id_column": "entity_id", "actor_column": "by", "version_column": "by", "nested": nested,
        }))]
    })
}

proptest! {
    #![proptest_config(seeded(3000))]

    #[test]
    fn any_entries_make_events_that_are_json(
        (table, rules) in any_table().prop_flat_map(|table| (any_rule(&table), Just(table)).prop_map(|(r, t)| (t, r))),
        key in prop::sample::subsequence(vec!["id", "entity_id", "absent"], 0..3),
        operations in prop::collection::vec((any_operation(), prop::option::weighted(0.2, text())), 1..6),
    ) {
        let mapper = Mapper::new(rules).expect("sound rules");
        let mut stream = Stream { mapper, out: Vec::new() };
        stream.begin(COMMIT);
        stream.mapper.learn(&table, key.into_iter().map(Into::into).collect());
        for (operation, actor) in operations {
            if let Some(actor) = actor {
                // Most of these are no actors; they are faults, told as such.
                let _ = stream.take(set_actor(&actor));
            }
            if let Err(fault) = stream.change(&table, operation) {
                prop_assert!(!fault.what.is_empty() && !fault.remedy.is_empty());
            }
        }
        let _ = stream.commit();
        for (n, event) in stream.out.iter().enumerate() {
            prop_assert_eq!(event.offset(), Offset { lsn: COMMIT, n: u32::try_from(n).expect("few") });
            let payload: Value = serde_json::from_str(&encode(event)).expect("JSON");
            prop_assert!(payload["offset"].is_string() && payload["timestamp"].is_string());
            if let Target::Rooms(rooms) = event.target() {
                prop_assert!(!rooms.is_empty());
                let is_private = rooms.iter().any(|room| matches!(room.parts(), RoomParts::User { .. }));
                prop_assert!(!is_private);
            }
            if let Some(lean) = event.lean() {
                prop_assert_eq!(encode(&lean), encode(event), "what is kept of it says another thing");
                prop_assert_eq!((lean.name(), lean.offset()), (event.name(), event.offset()));
                prop_assert!(lean.bytes() <= event.bytes());
            }
        }
    }
}

#[test]
fn mapper_and_events_can_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Mapper>();
    crosses::<Event>();
}
