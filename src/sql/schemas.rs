//! The schemas whose tables tell about the instance, not about the cluster's data.

/// A name without its quotes.
pub(super) fn unquoted(name: &[u8]) -> &[u8] {
    match name {
        [open @ (b'`' | b'"'), inner @ .., close] if open == close => inner,
        _ => name,
    }
}

/// Whether a schema describes the instance as a whole.
#[must_use]
pub(super) fn is_instance(schema: &[u8]) -> bool {
    match schema.len() {
        3 => schema.eq_ignore_ascii_case(b"sys"),
        5 => schema.eq_ignore_ascii_case(b"mysql"),
        18 => schema.eq_ignore_ascii_case(b"performance_schema"),
        _ => false,
    }
}

/// Whether tables of such a schema tell connections' ids of now; `mysql` has only those of the past, in its logs.
#[must_use]
pub(super) fn holds_ids(schema: &[u8]) -> bool {
    is_instance(schema) && schema.len() != 5
}

/// Whether unqualified tables of a session's database may be the instance's own.
#[must_use]
pub fn is_system_schema(schema: &[u8]) -> bool {
    is_instance(schema) || schema.eq_ignore_ascii_case(b"information_schema")
}

/// Whether a table of `information_schema` describes the instance.
pub(super) fn is_instance_view(table: &[u8]) -> bool {
    let mut buffer = [0u8; 64];
    let Some(upper) = buffer.get_mut(..table.len()) else { return true };
    upper.copy_from_slice(table);
    upper.make_ascii_uppercase();
    let Ok(upper) = std::str::from_utf8(upper) else { return true };
    // The lists of what belongs to the schemas and the session; the rest is the instance's.
    !matches!(
        upper,
        "ADMINISTRABLE_ROLE_AUTHORIZATIONS"
            | "APPLICABLE_ROLES"
            | "CHARACTER_SETS"
            | "CHECK_CONSTRAINTS"
            | "COLLATIONS"
            | "COLLATION_CHARACTER_SET_APPLICABILITY"
            | "COLUMNS"
            | "COLUMNS_EXTENSIONS"
            | "COLUMN_PRIVILEGES"
            | "COLUMN_STATISTICS"
            | "ENABLED_ROLES"
            | "ENGINES"
            | "GEOMETRY_COLUMNS"
            | "KEYWORDS"
            | "KEY_COLUMN_USAGE"
            | "KEY_PERIOD_USAGE"
            | "LIBRARIES"
            | "PARAMETERS"
            | "PARTITIONS"
            | "PERIODS"
            | "REFERENTIAL_CONSTRAINTS"
            | "ROLE_COLUMN_GRANTS"
            | "ROLE_ROUTINE_GRANTS"
            | "ROLE_TABLE_GRANTS"
            | "ROUTINES"
            | "ROUTINE_LIBRARIES"
            | "SCHEMATA"
            | "SCHEMATA_EXTENSIONS"
            | "SCHEMA_PRIVILEGES"
            | "SEQUENCES"
            | "SPATIAL_REF_SYS"
            | "SQL_FUNCTIONS"
            | "STATISTICS"
            | "ST_GEOMETRY_COLUMNS"
            | "ST_SPATIAL_REFERENCE_SYSTEMS"
            | "ST_UNITS_OF_MEASURE"
            | "TABLES"
            | "TABLES_EXTENSIONS"
            | "TABLESPACES_EXTENSIONS"
            | "TABLE_CONSTRAINTS"
            | "TABLE_CONSTRAINTS_EXTENSIONS"
            | "TABLE_PRIVILEGES"
            | "TRIGGERS"
            | "USER_PRIVILEGES"
            | "VIEWS"
            | "VIEW_ROUTINE_USAGE"
            | "VIEW_TABLE_USAGE"
    )
}
