//! Limits every value that a template builds or uses.
//!
//! minijinja counts the nodes that it visits itself, but not the values inside them. A list that
//! contains the same list twice, nested sixty times, needs little memory until an operator writes
//! or compares it. So this module adds a filter around each list and object that a template builds,
//! and around the arguments and results of operators, filters, tests and functions. The filter
//! counts the whole value.

use super::{exact, order, texts};
use minijinja::machinery::Span;
use minijinja::machinery::ast::{
    BinOp, BinOpKind, Call, CallArg, CallBlock, Compare, CompareOp, CompareOpKind, Const, Do,
    EmitExpr, EmitRaw, Expr, Filter, FilterBlock, ForLoop, GetAttr, GetItem, IfCond, IfExpr, List,
    Macro, Map, Set, SetBlock, Slice, Spanned, Stmt, Template, Test, Tuple, UnaryOp, UnaryOpKind,
    Var, WithBlock,
};
use minijinja::value::ValueKind;

/// The filter that counts a value.
pub(super) const BOUNDED: &str = "__bounded";
/// The filter that checks whether the step has ended, and returns its input.
pub(super) const WATCHED: &str = "__watched";
/// The filter that counts a text in which a place is looked for.
pub(super) const WALKED: &str = "__walked";
/// The length of a constant text that is not counted, in bytes.
const SHORT_BYTES: usize = 256;

/// The place of a repeated list in a template. Such a constant is computed while the template is
/// parsed, where no limit applies.
pub(super) type Repeated = std::ops::Range<usize>;

/// Rewrites a template with the filters added.
#[derive(Debug, Default)]
pub(super) struct Guard {
    pub(super) repeated: Option<Repeated>,
    /// The key that an object of the template has twice, and the place of that object.
    pub(super) twice: Option<(String, std::ops::Range<usize>)>,
    /// The variables that are sliced, which minijinja does not report as undeclared.
    pub(super) sliced: Vec<String>,
    /// The variables that the template sets.
    pub(super) set: Vec<String>,
    /// `true` if there is a variable of any kind.
    pub(super) has_variables: bool,
    slicing: usize,
    /// The number of operations so far, which tells them apart.
    places: i64,
}

impl Guard {
    pub(super) fn stmt<'a>(&mut self, stmt: &Stmt<'a>) -> Stmt<'a> {
        match stmt {
            Stmt::Template(s) => {
                let children = self.body(&s.children);
                Stmt::Template(Spanned::new(Template { children }, s.span()))
            }
            Stmt::EmitExpr(s) => {
                // The output itself is limited when it is written, and `loop(…)` is only valid
                // here.
                let expr = match &s.expr {
                    Expr::Call(call) => Expr::Call(self.call(call)),
                    other => self.expr(other),
                };
                Stmt::EmitExpr(Spanned::new(EmitExpr { expr }, s.span()))
            }
            Stmt::EmitRaw(s) => Stmt::EmitRaw(Spanned::new(EmitRaw { raw: s.raw }, s.span())),
            Stmt::ForLoop(s) => {
                let node = ForLoop {
                    target: self.target(&s.target),
                    iter: self.expr(&s.iter),
                    filter_expr: s.filter_expr.as_ref().map(|e| watched(self.expr(e))),
                    recursive: s.recursive,
                    body: self.turn(&s.body, s.span()),
                    else_body: self.body(&s.else_body),
                };
                Stmt::ForLoop(Spanned::new(node, s.span()))
            }
            Stmt::IfCond(s) => {
                let node = IfCond {
                    expr: self.expr(&s.expr),
                    true_body: self.body(&s.true_body),
                    false_body: self.body(&s.false_body),
                };
                Stmt::IfCond(Spanned::new(node, s.span()))
            }
            Stmt::WithBlock(s) => {
                let pairs = s.assignments.iter();
                let assignments = pairs.map(|(to, e)| (self.target(to), self.expr(e))).collect();
                let node = WithBlock { assignments, body: self.body(&s.body) };
                Stmt::WithBlock(Spanned::new(node, s.span()))
            }
            Stmt::Set(s) => {
                // A member of a namespace outlives its scope, so it could grow without limit.
                let expr = match &s.target {
                    Expr::GetAttr(_) => self.looked_at(&s.expr),
                    _ => self.expr(&s.expr),
                };
                Stmt::Set(Spanned::new(Set { target: self.target(&s.target), expr }, s.span()))
            }
            Stmt::SetBlock(s) => {
                let node = SetBlock {
                    target: self.target(&s.target),
                    filter: s.filter.as_ref().map(|e| self.expr(e)),
                    body: self.body(&s.body),
                };
                Stmt::SetBlock(Spanned::new(node, s.span()))
            }
            Stmt::AutoEscape(s) => {
                let node = minijinja::machinery::ast::AutoEscape {
                    enabled: self.expr(&s.enabled),
                    body: self.body(&s.body),
                };
                Stmt::AutoEscape(Spanned::new(node, s.span()))
            }
            Stmt::FilterBlock(s) => {
                let filter = self.expr(&s.filter);
                let (filter_span, body) = (s.filter_span, self.body(&s.body));
                Stmt::FilterBlock(Spanned::new(FilterBlock { filter, filter_span, body }, s.span()))
            }
            Stmt::Macro(s) => Stmt::Macro(self.macro_of(s)),
            Stmt::CallBlock(s) => {
                let node = CallBlock {
                    call: self.call(&s.call),
                    call_expr_span: s.call_expr_span,
                    macro_decl: self.macro_of(&s.macro_decl),
                };
                Stmt::CallBlock(Spanned::new(node, s.span()))
            }
            Stmt::Do(s) => Stmt::Do(Spanned::new(Do { call: self.call(&s.call) }, s.span())),
        }
    }

    fn body<'a>(&mut self, body: &[Stmt<'a>]) -> Vec<Stmt<'a>> {
        body.iter().map(|stmt| self.stmt(stmt)).collect()
    }

    /// Rewrites the body of a loop, and adds a check for the end of the step, because the body may
    /// have none.
    fn turn<'a>(&mut self, body: &[Stmt<'a>], span: Span) -> Vec<Stmt<'a>> {
        let never = Expr::Const(Spanned::new(Const { value: false.into() }, span));
        let (true_body, false_body) = (Vec::new(), Vec::new());
        let look = IfCond { expr: watched(never), true_body, false_body };
        let mut turn = vec![Stmt::IfCond(Spanned::new(look, span))];
        turn.extend(self.body(body));
        turn
    }

    fn macro_of<'a>(&mut self, s: &Spanned<Macro<'a>>) -> Spanned<Macro<'a>> {
        let node = Macro {
            name: s.name,
            args: s.args.iter().map(|e| self.target(e)).collect(),
            defaults: s.defaults.iter().map(|e| self.expr(e)).collect(),
            body: self.body(&s.body),
        };
        Spanned::new(node, s.span())
    }

    /// Rewrites the target of an assignment, which is not a value.
    fn target<'a>(&mut self, expr: &Expr<'a>) -> Expr<'a> {
        match expr {
            Expr::List(e) => {
                let items = e.items.iter().map(|item| self.target(item)).collect();
                Expr::List(Spanned::new(List { items }, e.span()))
            }
            Expr::Var(e) => {
                self.set.push(e.id.to_owned());
                Expr::Var(Spanned::new(Var { id: e.id }, e.span()))
            }
            other => self.expr(other),
        }
    }

    /// Rewrites an expression, and adds the filter that counts its value.
    fn looked_at<'a>(&mut self, expr: &Expr<'a>) -> Expr<'a> {
        let expr = self.expr(expr);
        match &expr {
            Expr::Const(value) if is_short(&value.value) => expr,
            Expr::Filter(filter) if filter.name == BOUNDED => expr,
            _ => bounded(expr),
        }
    }

    fn each<'a>(&mut self, exprs: &[Expr<'a>]) -> Vec<Expr<'a>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr<'a>(&mut self, expr: &Expr<'a>) -> Expr<'a> {
        match expr {
            Expr::Var(e) => {
                self.has_variables = true;
                if self.slicing > 0 {
                    self.sliced.push(e.id.to_owned());
                }
                Expr::Var(Spanned::new(Var { id: e.id }, e.span()))
            }
            Expr::Const(e) => Expr::Const(Spanned::new(Const { value: e.value.clone() }, e.span())),
            Expr::Slice(e) => {
                self.slicing += 1;
                let expr = walked(self.expr(&e.expr));
                self.slicing -= 1;
                let node = Slice {
                    expr,
                    start: e.start.as_ref().map(|e| self.expr(e)),
                    stop: e.stop.as_ref().map(|e| self.expr(e)),
                    step: e.step.as_ref().map(|e| self.expr(e)),
                };
                bounded(Expr::Slice(Spanned::new(node, e.span())))
            }
            Expr::UnaryOp(e) => {
                #[expect(clippy::needless_match, reason = "it is neither `Copy` nor `Clone`")]
                let op = match e.op {
                    UnaryOpKind::Not => UnaryOpKind::Not,
                    UnaryOpKind::Neg => UnaryOpKind::Neg,
                };
                let node = UnaryOp { op, expr: self.expr(&e.expr) };
                Expr::UnaryOp(Spanned::new(node, e.span()))
            }
            Expr::BinOp(e) => self.operation(e),
            Expr::Compare(e) => {
                let mut place = self.place();
                let first = left(self.looked_at(&e.expr), place);
                let mut ops = Vec::with_capacity(e.ops.len());
                for (at, op) in e.ops.iter().enumerate() {
                    let sign = match op.op {
                        CompareOpKind::In | CompareOpKind::NotIn => "in",
                        CompareOpKind::Lt => "<",
                        CompareOpKind::Lte => "<=",
                        CompareOpKind::Gt => ">",
                        CompareOpKind::Gte => ">=",
                        CompareOpKind::Eq | CompareOpKind::Ne => "==",
                    };
                    let mut expr = right(self.looked_at(&op.expr), place, sign);
                    // In `a < b < c`, the second operand is compared again.
                    if at + 1 < e.ops.len() {
                        place = self.place();
                        expr = left(expr, place);
                    }
                    ops.push(CompareOp { op: op.op, expr });
                }
                Expr::Compare(Spanned::new(Compare { expr: first, ops }, e.span()))
            }
            Expr::IfExpr(e) => {
                let node = IfExpr {
                    test_expr: self.expr(&e.test_expr),
                    true_expr: self.expr(&e.true_expr),
                    false_expr: e.false_expr.as_ref().map(|e| self.expr(e)),
                };
                Expr::IfExpr(Spanned::new(node, e.span()))
            }
            Expr::Filter(e) => self.filter(e),
            Expr::Test(e) => {
                let (mut expr, mut args) = (self.looked_at(&e.expr), self.args(&e.args));
                if exact::COMPARING.contains(&e.name)
                    && let Some(CallArg::Pos(other)) = args.first_mut()
                {
                    let place = self.place();
                    expr = left(expr, place);
                    let none = Expr::Const(Spanned::new(Const { value: ().into() }, e.span()));
                    let equality = if e.name == "in" { "in" } else { "==" };
                    let sign = order::sign_of(e.name).unwrap_or(equality);
                    *other = right(std::mem::replace(other, none), place, sign);
                }
                Expr::Test(Spanned::new(Test { name: e.name, expr, args }, e.span()))
            }
            Expr::GetAttr(e) => {
                let node = GetAttr { expr: self.expr(&e.expr), name: e.name };
                Expr::GetAttr(Spanned::new(node, e.span()))
            }
            Expr::GetItem(e) => {
                let (expr, subscript_expr) =
                    (walked(self.expr(&e.expr)), self.looked_at(&e.subscript_expr));
                Expr::GetItem(Spanned::new(GetItem { expr, subscript_expr }, e.span()))
            }
            Expr::Call(e) => bounded(Expr::Call(self.call(e))),
            Expr::List(e) => {
                let node = List { items: self.each(&e.items) };
                bounded(Expr::List(Spanned::new(node, e.span())))
            }
            Expr::Tuple(e) => {
                let node = Tuple { items: self.each(&e.items) };
                bounded(Expr::Tuple(Spanned::new(node, e.span())))
            }
            Expr::Map(e) => {
                let mut keys: Vec<_> = e.keys.iter().filter_map(Expr::as_const).collect();
                keys.sort();
                if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
                    let span = e.span();
                    let place = span.start_offset as usize..span.end_offset as usize;
                    self.twice.get_or_insert_with(|| (pair[0].to_string(), place));
                }
                let keys = e.keys.iter().map(|key| self.looked_at(key)).collect();
                let node = Map { keys, values: self.each(&e.values) };
                bounded(Expr::Map(Spanned::new(node, e.span())))
            }
        }
    }

    /// Returns a number for an operation, which no other operation has.
    fn place(&mut self) -> i64 {
        self.places += 1;
        self.places
    }

    fn operation<'a>(&mut self, e: &Spanned<BinOp<'a>>) -> Expr<'a> {
        let of = |op, left, right| Expr::BinOp(Spanned::new(BinOp { op, left, right }, e.span()));
        match e.op {
            BinOpKind::ScAnd | BinOpKind::ScOr => of(e.op, self.expr(&e.left), self.expr(&e.right)),
            BinOpKind::Add | BinOpKind::Mul => {
                let place = self.place();
                let first = left(self.expr(&e.left), place);
                let made = of(e.op, first, right(self.expr(&e.right), place, sign(e.op)));
                // The operands are already rewritten, so a nested repetition is wrapped in a
                // filter.
                if matches!(e.op, BinOpKind::Mul) && self.repeated.is_none() {
                    let is_list = |part: &Expr<'_>| {
                        part.as_const().is_some_and(|value| {
                            matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
                        })
                    };
                    if is_list(&e.left) || is_list(&e.right) {
                        let span = e.span();
                        self.repeated = Some(span.start_offset as usize..span.end_offset as usize);
                    }
                }
                bounded(made)
            }
            BinOpKind::Concat => {
                let first = texted(self.looked_at(&e.left));
                of(e.op, first, texted(self.looked_at(&e.right)))
            }
            op => {
                let place = self.place();
                let first = left(self.looked_at(&e.left), place);
                of(op, first, right(self.looked_at(&e.right), place, sign(op)))
            }
        }
    }

    fn filter<'a>(&mut self, e: &Spanned<Filter<'a>>) -> Expr<'a> {
        let mut value = e.expr.as_ref().map(|value| self.looked_at(value));
        let named = [(&exact::OF_EACH[..], exact::EACH), (&exact::OF_ALIKE[..], exact::ALIKE)];
        for (names, around) in named {
            if names.contains(&e.name) {
                let name = Expr::Const(Spanned::new(Const { value: e.name.into() }, e.span()));
                let mut args = vec![CallArg::Pos(name)];
                args.extend(self.args(&e.args));
                value = value.map(|value| {
                    let node = Filter { name: around, expr: Some(value), args };
                    Expr::Filter(Spanned::new(node, e.span()))
                });
            }
        }
        if texts::OF_TEXT.contains(&e.name) {
            value = value.map(texted);
        }
        let mut args = self.args(&e.args);
        if texts::OF_TEXTS.contains(&e.name) {
            args = args.into_iter().map(texted_arg).collect();
        }
        let node = Filter { name: e.name, expr: value, args };
        bounded(Expr::Filter(Spanned::new(node, e.span())))
    }

    fn call<'a>(&mut self, call: &Spanned<Call<'a>>) -> Spanned<Call<'a>> {
        let node = Call { expr: self.expr(&call.expr), args: self.args(&call.args) };
        Spanned::new(node, call.span())
    }

    fn args<'a>(&mut self, args: &[CallArg<'a>]) -> Vec<CallArg<'a>> {
        let args = args.iter().map(|arg| match arg {
            CallArg::Pos(e) => CallArg::Pos(self.looked_at(e)),
            CallArg::Kwarg(name, e) => CallArg::Kwarg(name, self.looked_at(e)),
            CallArg::PosSplat(e) => CallArg::PosSplat(self.looked_at(e)),
            CallArg::KwargSplat(e) => CallArg::KwargSplat(self.looked_at(e)),
        });
        args.collect()
    }
}

fn bounded(expr: Expr<'_>) -> Expr<'_> {
    filtered(BOUNDED, expr)
}

fn watched(expr: Expr<'_>) -> Expr<'_> {
    filtered(WATCHED, expr)
}

/// Adds the filter that makes a text of a value.
fn texted(expr: Expr<'_>) -> Expr<'_> {
    filtered(texts::TEXT, expr)
}

fn texted_arg(arg: CallArg<'_>) -> CallArg<'_> {
    match arg {
        CallArg::Pos(expr) => CallArg::Pos(texted(expr)),
        CallArg::Kwarg(name, expr) => CallArg::Kwarg(name, texted(expr)),
        splat => splat,
    }
}

/// Adds the filter that counts a text whose characters are counted to find a place.
fn walked(expr: Expr<'_>) -> Expr<'_> {
    match &expr {
        Expr::Const(value) if is_short(&value.value) => expr,
        _ => filtered(WALKED, expr),
    }
}

/// Returns `true` for a constant that takes no time, whatever is done with it.
fn is_short(value: &minijinja::Value) -> bool {
    value.as_str().is_none_or(|text| text.len() <= SHORT_BYTES)
}

fn sign(op: BinOpKind) -> &'static str {
    match op {
        BinOpKind::Add => "+",
        BinOpKind::Sub => "-",
        BinOpKind::Mul => "*",
        BinOpKind::Div => "/",
        BinOpKind::FloorDiv => "//",
        BinOpKind::Rem => "%",
        BinOpKind::Pow => "**",
        BinOpKind::In => "in",
        BinOpKind::Lt => "<",
        BinOpKind::Lte => "<=",
        BinOpKind::Gt => ">",
        BinOpKind::Gte => ">=",
        _ => "==",
    }
}

/// Adds the filter that remembers a left operand.
fn left(expr: Expr<'_>, place: i64) -> Expr<'_> {
    with_args(exact::LEFT, expr, [place.into()])
}

/// Adds the filter that looks at both operands.
fn right<'a>(expr: Expr<'a>, place: i64, sign: &'static str) -> Expr<'a> {
    with_args(exact::RIGHT, expr, [place.into(), sign.into()])
}

fn with_args<'a, const N: usize>(
    name: &'static str,
    expr: Expr<'a>,
    args: [minijinja::Value; N],
) -> Expr<'a> {
    let span = expr.span();
    let arg = |value| CallArg::Pos(Expr::Const(Spanned::new(Const { value }, span)));
    let args = args.into_iter().map(arg).collect();
    Expr::Filter(Spanned::new(Filter { name, expr: Some(expr), args }, span))
}

fn filtered<'a>(name: &'static str, expr: Expr<'a>) -> Expr<'a> {
    let span = expr.span();
    Expr::Filter(Spanned::new(Filter { name, expr: Some(expr), args: Vec::new() }, span))
}
