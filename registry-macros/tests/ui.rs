//! What the compiler says about mistakes, each case named after the mistake.

#[test]
fn mistakes() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
