//! The functions that expressions may call. CEL cannot list them.

/// Functions that are called as `size(x)`.
pub(super) const GLOBAL: [&str; 10] =
    ["size", "int", "uint", "double", "string", "bytes", "bool", "type", "dyn", "matches"];

/// Functions that are called as `x.contains(y)`.
pub(super) const METHODS: [&str; 27] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "charAt",
    "indexOf",
    "lastIndexOf",
    "join",
    "lowerAscii",
    "upperAscii",
    "replace",
    "split",
    "substring",
    "trim",
    "format",
    "reverse",
    "slice",
    "flatten",
    "distinct",
    "sort",
    "hasValue",
    "value",
    "or",
    "orValue",
    "optMap",
    "optFlatMap",
];

/// Functions that are called with their prefix.
pub(super) const QUALIFIED: [&str; 17] = [
    "math.greatest",
    "math.least",
    "math.ceil",
    "math.floor",
    "math.round",
    "math.trunc",
    "math.abs",
    "math.sign",
    "math.sqrt",
    "math.isInf",
    "math.isNaN",
    "math.isFinite",
    "lists.range",
    "strings.quote",
    "optional.of",
    "optional.none",
    "optional.ofNonZeroValue",
];

/// Macros, which the parser expands in this form only. In another form they remain calls to
/// functions that do not exist.
pub(super) const MACROS: [(&str, &str); 8] = [
    ("has", "has(x.member)"),
    ("all", "list.all(x, condition)"),
    ("exists", "list.exists(x, condition)"),
    ("exists_one", "list.exists_one(x, condition)"),
    ("existsOne", "list.existsOne(x, condition)"),
    ("map", "list.map(x, value)"),
    ("filter", "list.filter(x, condition)"),
    ("sortBy", "list.sortBy(x, key)"),
];

/// The names of functions in other languages.
pub(super) const ELSEWHERE: [(&str, &str); 14] = [
    ("len", "size"),
    ("length", "size"),
    ("count", "size"),
    ("lower", "lowerAscii"),
    ("toLowerCase", "lowerAscii"),
    ("upper", "upperAscii"),
    ("toUpperCase", "upperAscii"),
    ("str", "string"),
    ("float", "double"),
    ("any", "exists"),
    ("includes", "contains"),
    ("strip", "trim"),
    ("max", "math.greatest"),
    ("min", "math.least"),
];
