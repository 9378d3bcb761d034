//! Names that are built in for both families. Sorted. Asked of the servers by `tests/builtins.rs`: a call that is resolved
//! as a stored function answers with error 1305 or 1630. Words of the grammar that may stand before a parenthesis
//! (`IN (`, `VALUES (`, `DECIMAL(`) are among them. Must not know what a function does.

/// Built in whatever stands between the name and its parenthesis.
#[rustfmt::skip]
pub(super) const ANYWHERE: &[&str] = &[
    "abs", "acos", "add", "addtime", "aes_decrypt", "aes_encrypt", "all", "analyze", "and", "any", "as", "ascii",
    "asin", "atan", "atan2", "avg", "benchmark", "between", "bigint", "bin", "binary", "bit", "bit_count",
    "bit_length", "blob", "bool", "boolean", "both", "by", "case", "ceil", "ceiling", "char", "char_length",
    "character", "character_length", "charset", "coalesce", "coercibility", "collation", "compress", "concat",
    "concat_ws", "connection_id", "conv", "convert", "convert_tz", "cos", "cot", "crc32", "current_date",
    "current_role", "current_time", "current_timestamp", "current_user", "database", "date", "date_format", "datediff",
    "datetime", "day", "dayname", "dayofmonth", "dayofweek", "dayofyear", "dec", "decimal", "default", "degrees",
    "desc", "describe", "distinct", "distinctrow", "div", "double", "else", "elt", "except", "exists", "exp",
    "explain", "export_set", "extractvalue", "field", "find_in_set", "fixed", "float", "float4", "float8", "floor",
    "for", "force", "format", "found_rows", "from", "from_base64", "from_days", "from_unixtime", "get_format",
    "get_lock", "greatest", "group", "having", "hex", "high_priority", "hour", "if", "ifnull", "ignore", "in", "index",
    "inet6_aton", "inet6_ntoa", "inet_aton", "inet_ntoa", "insert", "instr", "int", "int1", "int2", "int3", "int4",
    "int8", "integer", "intersect", "interval", "is", "is_free_lock", "is_ipv4", "is_ipv4_compat", "is_ipv4_mapped",
    "is_ipv6", "is_used_lock", "isnull", "join", "json", "json_array", "json_array_append", "json_array_insert",
    "json_contains", "json_contains_path", "json_depth", "json_extract", "json_insert", "json_keys", "json_length",
    "json_merge", "json_merge_patch", "json_merge_preserve", "json_object", "json_overlaps", "json_pretty",
    "json_quote", "json_remove", "json_replace", "json_search", "json_set", "json_type", "json_unquote", "json_valid",
    "json_value", "key", "last_day", "last_insert_id", "last_value", "lcase", "leading", "least", "left", "length",
    "like", "limit", "ln", "load_file", "localtime", "localtimestamp", "locate", "log", "log10", "log2", "longblob",
    "longtext", "lower", "lpad", "ltrim", "make_set", "makedate", "maketime", "master_pos_wait", "match",
    "mbrcontains", "mbrdisjoint", "mbrequals", "mbrintersects", "mbroverlaps", "mbrtouches", "mbrwithin", "mediumblob",
    "mediumint", "mediumtext", "microsecond", "minute", "mod", "month", "monthname", "name_const", "national", "nchar",
    "not", "nullif", "numeric", "nvarchar", "oct", "octet_length", "offset", "on", "or", "ord", "order", "over",
    "partition", "period_add", "period_diff", "pi", "pow", "power", "precision", "quarter", "quote", "radians", "rand",
    "random_bytes", "real", "recursive", "regexp", "regexp_instr", "regexp_replace", "regexp_substr",
    "release_all_locks", "release_lock", "repeat", "replace", "returning", "reverse", "right", "rlike", "round", "row",
    "row_count", "row_number", "rpad", "rtrim", "schema", "sec_to_time", "second", "select", "separator", "set",
    "sha2", "sign", "signed", "sin", "sleep", "smallint", "some", "soundex", "sounds", "space", "sql_big_result",
    "sql_buffer_result", "sql_calc_found_rows", "sql_no_cache", "sql_small_result", "sql_tsi_day", "sql_tsi_hour",
    "sql_tsi_minute", "sql_tsi_month", "sql_tsi_second", "sql_tsi_year", "sqrt", "st_area", "st_asbinary",
    "st_asgeojson", "st_astext", "st_aswkb", "st_aswkt", "st_buffer", "st_centroid", "st_contains", "st_convexhull",
    "st_crosses", "st_difference", "st_dimension", "st_disjoint", "st_distance", "st_distance_sphere", "st_endpoint",
    "st_envelope", "st_equals", "st_exteriorring", "st_geomcollfromtext", "st_geomcollfromwkb",
    "st_geometrycollectionfromtext", "st_geometrycollectionfromwkb", "st_geometryfromtext", "st_geometryfromwkb",
    "st_geometryn", "st_geometrytype", "st_geomfromgeojson", "st_geomfromtext", "st_geomfromwkb", "st_interiorringn",
    "st_intersection", "st_intersects", "st_isclosed", "st_isempty", "st_issimple", "st_length", "st_linefromtext",
    "st_linefromwkb", "st_linestringfromtext", "st_linestringfromwkb", "st_mlinefromtext", "st_mlinefromwkb",
    "st_mpointfromtext", "st_mpointfromwkb", "st_mpolyfromtext", "st_mpolyfromwkb", "st_multilinestringfromtext",
    "st_multilinestringfromwkb", "st_multipointfromtext", "st_multipointfromwkb", "st_multipolygonfromtext",
    "st_multipolygonfromwkb", "st_numgeometries", "st_numinteriorrings", "st_numpoints", "st_overlaps",
    "st_pointfromtext", "st_pointfromwkb", "st_pointn", "st_polyfromtext", "st_polyfromwkb", "st_polygonfromtext",
    "st_polygonfromwkb", "st_srid", "st_startpoint", "st_symdifference", "st_touches", "st_union", "st_within", "st_x",
    "st_y", "str_to_date", "straight_join", "strcmp", "substring_index", "subtime", "table", "tan", "text", "then",
    "time", "time_format", "time_to_sec", "timediff", "timestamp", "timestampadd", "timestampdiff", "tinyblob",
    "tinyint", "tinytext", "to", "to_base64", "to_days", "to_seconds", "trailing", "truncate", "ucase", "uncompress",
    "uncompressed_length", "unhex", "union", "unix_timestamp", "unsigned", "updatexml", "upper", "user", "using",
    "utc_date", "utc_time", "utc_timestamp", "uuid", "uuid_short", "value", "values", "varbinary", "varchar",
    "version", "week", "weekday", "weekofyear", "weight_string", "when", "where", "window", "with", "xor", "year",
    "yearweek",
];

/// Built in only when the parenthesis follows at once (or with `IGNORE_SPACE`).
#[rustfmt::skip]
pub(super) const ADJACENT: &[&str] = &[
    "adddate", "bit_and", "bit_or", "bit_xor", "cast", "count", "curdate", "curtime", "date_add", "date_sub",
    "extract", "group_concat", "json_arrayagg", "json_objectagg", "max", "mid", "min", "now", "position",
    "session_user", "std", "stddev", "stddev_pop", "stddev_samp", "subdate", "substr", "substring", "sum",
    "system_user", "trim", "var_pop", "var_samp", "variance",
];
