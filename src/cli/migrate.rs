use super::Failure;
use crate::{
    config::DatabaseArgs,
    store::{Migrated, migrate},
};

pub async fn run(args: DatabaseArgs) -> Result<(), Failure> {
    let Migrated { migrations, repeatable } = migrate(&args.dsn()?).await?;
    if migrations.is_empty() && repeatable.is_empty() {
        println!("the database is up to date");
    }
    for name in migrations.iter().chain(&repeatable) {
        println!("applied {name}");
    }
    Ok(())
}
