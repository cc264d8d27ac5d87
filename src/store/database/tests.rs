//! What PostgreSQL is told of each connection. On SQLite there is nothing to see.

use std::time::Duration;

use super::super::{NewProject, Store, StoreError, column, testing};
use super::Kind;

async fn setting(store: &Store, name: &'static str) -> String {
    let row = sqlx::query("SELECT current_setting($1) AS value")
        .bind(name)
        .fetch_one(&store.pool)
        .await
        .unwrap();
    column(&row, "value").unwrap()
}

#[tokio::test]
async fn the_server_ends_connections_of_dead_machines() {
    let (_folder, store) = testing::store().await;
    if store.shared.database.kind != Kind::Postgres {
        return;
    }
    for (name, value) in [
        ("idle_in_transaction_session_timeout", "20s"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "2"),
        ("tcp_user_timeout", "20000"),
    ] {
        assert_eq!(setting(&store, name).await, value, "{name}");
    }
}

#[tokio::test]
async fn who_is_silent_in_a_transaction_loses_its_turn_and_is_told_to_try_again() {
    let (_folder, frozen) = testing::store_with_project().await;
    if frozen.shared.database.kind != Kind::Postgres {
        return;
    }
    let other = testing::another(&frozen).await;
    let mut tx = frozen.begin().await.unwrap();
    // The same, sooner.
    sqlx::query("SET LOCAL idle_in_transaction_session_timeout = '300ms'")
        .execute(tx.on())
        .await
        .unwrap();
    let projects = other.projects();
    let write = projects.create(NewProject::new("OTHER"), "ada");
    tokio::time::timeout(Duration::from_secs(10), write)
        .await
        .expect("the lock is free again")
        .unwrap();
    let refused = sqlx::query("DELETE FROM projects")
        .execute(tx.on())
        .await
        .map_err(StoreError::from);
    assert!(matches!(refused, Err(StoreError::Away(_))), "{refused:?}");
    drop(tx);
    let projects = frozen.projects();
    let write = projects.create(NewProject::new("AGAIN"), "ada");
    write.await.expect("a new connection is made");
}
