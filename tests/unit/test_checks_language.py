"""The language: what it says, what it refuses and where, and what its expressions are worth."""

from fractions import Fraction
from typing import Any

import pytest
from eth_hash.auto import keccak

from monitoring.chains.abi.addresses import SignatureError, address_problem, checksum
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.evaluate import MAX_BITS, PENDING, PriceRead, ViewRead, evaluate
from monitoring.checks.expression.parse import LanguageError
from monitoring.checks.expression.scope import Scope
from monitoring.checks.expression.tree import ADDRESS, ANYTHING, BOOLEAN, NUMBER, TEXT
from monitoring.checks.expression.typecheck import check
from monitoring.checks.expression.values import NONE
from monitoring.checks.expression.views import parse_view, standard_views

FUNCTION_NAMES = "min, max, abs, keccak, erc20, price, pow10"
VAULT = "0x056b269eb1f75477a8666ae8c7fe01b64dd55ecc"
OTHER = "0xf689555121e529ff0463e191f9bd9d1e496164a7"
ZERO = "0x" + "0" * 40
SCOPE = Scope(
    contracts=("vault", "other"),
    values={"x": NUMBER, "y": NUMBER, "lost": NUMBER, "off": NUMBER, "yes": BOOLEAN, "no": BOOLEAN, "maybe": BOOLEAN},
    rows={"m": {"token": ADDRESS, "symbol": TEXT, "size": NUMBER}},
    views={**standard_views(), "pair": (parse_view("pair()(uint256,(address,bool)[])"),)},
)
NAMES = {
    "vault": VAULT,
    "other": OTHER,
    "x": 7,
    "y": Fraction(1, 3),
    "lost": Unknown("timed out"),
    "off": NONE,
    "yes": True,
    "no": False,
    "maybe": Unknown("who knows"),
    "m.token": OTHER,
    "m.symbol": "DAI",
    "m.size": 0,
}


class Table:
    """A world of names and answers; what is not in it is pending."""

    chain = 1

    def __init__(self, answers: Any = ()) -> Any:
        self.answers, self.wanted = dict(answers), []

    def name(self, name: str) -> Any:
        return NAMES[name]

    def call(self, call: Any) -> Any:
        if call not in self.answers:
            self.wanted.append(call)
            return PENDING
        return self.answers[call]


def worth(text: str, answers: Any = ()) -> Any:
    return evaluate(check(text, SCOPE).tree, Table(answers))


WORTH = {
    "1 + 2 * 3": 7,
    "(1 + 2) * 3": 9,
    "-x + 10": 3,
    "x - -x": 14,
    "10 / 4": Fraction(5, 2),
    "10 / 5": 2,
    "15%": Fraction(3, 20),
    "0.5%": Fraction(1, 200),
    "15% * 100 + 1%": Fraction(1501, 100),
    "1e18": 10**18,
    "2.5e3": 2500,
    "4_000_000": 4_000_000,
    "1.11": Fraction(111, 100),
    "0.1 + 0.2 == 0.3": True,
    "x / 1e18 * 1e18": 7,
    "min(3, x, 2)": 2,
    "max(3, x)": 7,
    "abs(3 - x)": 4,
    "x > 7": False,
    "x >= 7": True,
    "x < 7": False,
    "x <= 7": True,
    "x != 7": False,
    "not yes": False,
    "yes and not no or no": True,
    "1 if x > 3 else 2": 1,
    "none if x > 3 else 2": NONE,
    "x if no else none": NONE,
    "zero": ZERO,
    "zero == m.token": False,
    "m.token == other": True,
    'm.symbol == "DAI"': True,
    "true": True,
    "yes == true": True,
    "(\n  x\n  + 1\n)": 8,
    'keccak("IS_PAUSED")': keccak(b"IS_PAUSED"),
    "3 / m.size": Unknown("division by zero"),
    "5e6 / pow10(6)": 5,
    "pow10(0) + pow10(77)": 10**77 + 1,
    "pow10(78)": Unknown("pow10 takes a whole number from 0 to 77, not 78"),
    "pow10(-1)": Unknown("pow10 takes a whole number from 0 to 77, not -1"),
    "pow10(y)": Unknown("pow10 takes a whole number from 0 to 77, not 1/3"),
    "pow10(lost)": Unknown("timed out"),
    f'"{"0x" + "ab" * 32}"': bytes.fromhex("ab" * 32),
}


@pytest.mark.parametrize("text", WORTH)
def test_an_expression_is_worth(text: str) -> None:
    found = worth(text)
    assert found == WORTH[text]
    assert type(found) is type(WORTH[text])


UNKNOWN, WHO = Unknown("timed out"), Unknown("who knows")
LOGIC = {
    "lost + 1": UNKNOWN,
    "-lost": UNKNOWN,
    "lost > 1": UNKNOWN,
    "min(1, lost)": UNKNOWN,
    "off + 1": NONE,
    "off > 1": NONE,
    "abs(off)": NONE,
    "off + lost": UNKNOWN,  # unknown may not clear a condition
    "no and maybe": False,
    "maybe and no": False,
    "yes and maybe": WHO,
    "yes or maybe": True,
    "maybe or yes": True,
    "no or maybe": WHO,
    "not maybe": WHO,
    "off > 1 and no": False,
    "off > 1 or yes": True,
    "off > 1 and yes": NONE,
    "off > 1 or no": NONE,
    "off > 1 and maybe": WHO,
    "not (off > 1)": NONE,
    "1 if maybe else 1": WHO,
    "1 if off > 1 else 2": NONE,
    "x if yes else lost": 7,
    "lost if yes else x": UNKNOWN,
    "x / 1 if x > 0 else none": 7,
    "1 / (x - 7)": Unknown("division by zero"),
    "1 / (x - 7) if x > 7 else none": NONE,
}


@pytest.mark.parametrize("text", LOGIC)
def test_value_unknown_and_none_are_kept_apart(text: str) -> None:
    assert worth(text) == LOGIC[text]


SUPPLY = ViewRead(1, VAULT, "totalSupply()(uint256)")
SHARES = ViewRead(1, VAULT, "balanceOf(address)(uint256)", (OTHER,))
ASSETS = ViewRead(1, VAULT, "convertToAssets(uint256)(uint256)", (50,))
NOTED = {
    "vault.totalSupply() + 1": [SUPPLY],
    "vault.balanceOf(other)": [SHARES],
    "vault.balanceOf(m.token)": [SHARES],
    "vault.convertToAssets(vault.balanceOf(other))": [SHARES],
    "x if vault.totalSupply() > 0 else vault.balanceOf(other)": [SUPPLY, SHARES],
    "no and vault.totalSupply() > 0": [SUPPLY],
    "lost + vault.totalSupply()": [SUPPLY],
    "erc20(m.token).balanceOf(vault)": [ViewRead(1, OTHER, "balanceOf(address)(uint256)", (VAULT,))],
    "vault.balanceOf(zero)": [ViewRead(1, VAULT, "balanceOf(address)(uint256)", (ZERO,))],
    "vault.get_dy(-1, 1, 1e18)": [ViewRead(1, VAULT, "get_dy(int128,int128,uint256)(uint256)", (-1, 1, 10**18))],
}


@pytest.mark.parametrize("text", NOTED)
def test_calls_are_noted(text: str) -> None:
    table = Table()
    evaluate(check(text, SCOPE).tree, table)
    assert table.wanted == NOTED[text]


def test_calls_nest() -> None:
    table = Table({SHARES: 50, ASSETS: 53})
    assert evaluate(check("vault.convertToAssets(vault.balanceOf(other))", SCOPE).tree, table) == 53


UNFIT = {
    "vault.convertToAssets(y)": "argument 1 of convertToAssets does not fit uint256",
    "vault.convertToAssets(-x)": "argument 1 of convertToAssets does not fit uint256",
    "vault.convertToAssets(1e77 * 10)": "argument 1 of convertToAssets does not fit uint256",
    "vault.getAssetInfo(256)[1]": "argument 1 of getAssetInfo does not fit uint8",
    "vault.pair()[1][2][0]": "there is no part 2, only 1",
    "vault.pair()[1][1][0]": "there is no part 1, only 1",
}


@pytest.mark.parametrize("text", UNFIT)
def test_what_does_not_fit_is_unknown(text: str) -> None:
    answers = {ViewRead(1, VAULT, "pair()(uint256,(address,bool)[])"): (1, ((OTHER, True),))}
    assert worth(text, answers) == Unknown(UNFIT[text])


def test_tuples_are_picked_by_index() -> None:
    answers = {ViewRead(1, VAULT, "pair()(uint256,(address,bool)[])"): (9, ((OTHER, True),))}
    assert worth("vault.pair()[0]", answers) == 9
    assert worth("vault.pair()[1][0][0] == other", answers) is True


def test_a_number_cannot_grow_without_end() -> None:
    text = " * ".join(["1e77"] * 17)
    assert worth(text) == Unknown(f"a number of more than {MAX_BITS} bits")


AMBIGUOUS = (
    "config is ambiguous: declare under functions which is meant, "
    "config(bytes32)(uint256) or config(bytes32)(uint184,bool,uint64)"
)
REFUSED = [
    # text, offset of the mistake, message
    ("", 0, "the expression is empty"),
    ("  ", 0, "the expression is empty"),
    ("x +", 3, "this is not an expression: it cannot be read here"),
    ("x y", 0, "this is not an expression: it cannot be read here"),
    ("x) + (y", 1, ") closes nothing"),
    ("(x", 0, "( is never closed"),
    ("x + 'y", 4, "' is never closed"),
    ("x +* y", 3, "this is not an expression: it cannot be read here"),
    ("x; y", 1, "the character ';' is not part of the language"),
    ("x # y", 2, "the character '#' is not part of the language"),
    ("x + ü", 4, "the character '\\xfc' is not part of the language"),
    ("x\\\n+ y", 1, "the character '\\\\' is not part of the language"),
    ("lambda: 1", 0, "a lambda is not part of the language"),
    ("[a for a in x]", 0, "loops are not part of the language"),
    ("(a for a in x)", 0, "loops are not part of the language"),
    ("{a for a in x}", 0, "loops are not part of the language"),
    ("{a: 1 for a in x}", 0, "loops are not part of the language"),
    ("x ** 9", 2, "powers are not part of the language: write 1e18 for 10**18"),
    ("x**9", 1, "powers are not part of the language: write 1e18 for 10**18"),
    ("x // 2", 2, "a division that rounds is not part of the language"),
    ("x % 2", 2, "a modulo is not part of the language"),
    ("15 % 4", 3, "a modulo is not part of the language"),
    ("15% 4", 2, "a modulo is not part of the language: % after a number is percent"),
    ("x @ y", 2, "@ is not part of the language"),
    ("x << 9", 2, "shifts are not part of the language"),
    ("x | y", 2, "bit operations are not part of the language"),
    ("~x", 0, "bit operations are not part of the language"),
    ("+x", 0, "a leading + is not part of the language"),
    ("x is y", 2, "`is` is not part of the language"),
    ("x in y", 5, "a table of tables: is needed after in"),
    ("[1, 2]", 0, "lists are not part of the language"),
    ("1, 2", 0, "tuples are not part of the language"),
    ("{1: 2}", 0, "mappings are not part of the language"),
    ("f'{x}'", 0, "f-strings are not part of the language"),
    ("(x := 1)", 1, "assignments are not part of the language"),
    ("min(*x)", 4, "* before an argument is not part of the language"),
    ("min(x, key=y)", 7, "named arguments are not part of the language"),
    ("vault.pair()[0:1]", 13, "slices are not part of the language"),
    ("await x", 0, "await is not part of the language"),
    ("x.__class__", 2, ".__class__ is not part of the language here: only rows have fields, only contracts have views"),
    ("vault.totalSupply", 6, ".totalSupply is not part of the language here: to call it write totalSupply(…)"),
    ("vault.totalSuply()", 6, "totalSuply is no known view, did you mean totalSupply?: declare it under functions"),
    ("vault.mint()", 6, "mint is no known view: declare it under functions"),
    ("vault.balanceOf()", 6, "balanceOf takes 1 argument, not 0: balanceOf(address)(uint256)"),
    ("vault.totalSupply(x)", 6, "totalSupply takes 0 arguments, not 1: totalSupply()(uint256)"),
    ("vault.balanceOf(x)", 16, "an address is needed here, this is a number"),
    ("vault.convertToAssets(other)", 22, "a number is needed here, this is a contract"),
    (
        'vault.config(keccak("A"))',
        6,
        AMBIGUOUS,
    ),
    ("x.totalSupply()", 0, "only a contract has views, this is a number"),
    ("m.token.totalSupply()", 0, "only a contract has views, this is an address: write erc20(…) around it"),
    ('__import__("os")', 0, f"__import__ is no function of the language: there are {FUNCTION_NAMES}"),
    ("mim(x, y)", 0, "mim is no function of the language, did you mean min?"),
    ('open("/etc/passwd")', 0, f"open is no function of the language: there are {FUNCTION_NAMES}"),
    ("x(1)", 0, f"x is no function of the language: there are {FUNCTION_NAMES}"),
    ("(x)(1)(2)", 0, f"only views and {FUNCTION_NAMES} can be called"),
    ("qwerty + 1", 0, "qwerty is not known here"),
    ("valt.totalSupply()", 0, "valt is not known here, did you mean vault?"),
    ("m + 1", 0, "m is a row: name one of its fields, as in m.token"),
    ("m.tokn", 2, "m has no field tokn, did you mean token?"),
    ("min + 1", 0, "min is a function: write min(…)"),
    ("min(x)", 0, "min takes two arguments or more, not 1"),
    ("abs(x, y)", 0, "abs takes one argument, not 2"),
    ("price(x)", 6, "an address is needed here, this is a number"),
    ('price("bitcoin")', 6, 'price takes an address, or an id as in "coingecko:bitcoin"'),
    ("price(vault, other, vault)", 0, "price takes one or two arguments, not 3"),
    ("price + 1", 0, "price is a function: write price(…)"),
    ("keccak(x)", 7, 'keccak takes a quoted text, as in keccak("IS_PAUSED")'),
    ("erc20(x).totalSupply()", 6, "an address is needed here, this is a number"),
    ("none", 0, "none alone says nothing: write it after else"),
    ("none + 1", 0, "none can only stand alone after if or else, as in: x if x > 0 else none"),
    ("x == none", 5, "none can only stand alone after if or else, as in: x if x > 0 else none"),
    ("True", 0, "True is not part of the language: write true"),
    ("None", 0, "None is not part of the language: write none"),
    ("...", 0, "this constant is not part of the language"),
    ("b'x'", 0, "this constant is not part of the language"),
    ("1j", 0, "this constant is not part of the language"),
    ("0x10", 0, "0x10 is not a number of the language: an address is named under contracts, or quoted"),
    ("0b1", 0, "0b1 is not a number of the language"),
    ("x + 1e78", 4, "a constant may have 78 digits and an exponent of 77"),
    ("1e999999999", 0, "a constant may have 78 digits and an exponent of 77"),
    ("9" * 79, 0, "a constant may have 78 digits and an exponent of 77"),
    (
        f'"{VAULT}"',
        0,
        f"the checksum of {VAULT} is wrong: check the address, then write 0x056B269Eb1f75477a8666ae8C7fE01b64dD55eCc",
    ),
    ('"0x1234"', 0, "0x1234 has 4 digits after 0x, an address has 40"),
    ("1 < x < 3", 8, "one comparison at a time: write a < b and b < c"),
    ("x and y", 0, "true or false is needed here, this is a number"),
    ("yes + 1", 0, "a number is needed here, this is true or false"),
    ('x == "DAI"', 5, "a number is never equal to a text"),
    ("x if y else 1", 5, "true or false is needed here, this is a number"),
    ("x if yes else no", 14, "the branches differ: this is true or false, the other a number"),
    ("x[0]", 0, "only a tuple or a list has parts, this is a number"),
    ("vault.pair()[2]", 13, "there is no part 2: the last one is [1]"),
    ("vault.pair()[x]", 13, "an index is a whole number from 0, as in [2]"),
    ("vault.pair()[-1]", 13, "an index is a whole number from 0, as in [2]"),
    ("vault.pair()[1.0]", 13, "an index is a whole number from 0, as in [2]"),
    ("x / 0", 4, "a division by zero is always unknown"),
    ("(" * 31 + "x" + ")" * 31, 30, "nested deeper than 30: name parts of it under values"),
    ("not " * 40 + "yes", 120, "the expression is too large: name parts of it under values"),
    ("1+" * 200 + "1", 342, "the expression is too large: name parts of it under values"),
    ("x" * 1001, 1000, "the expression is longer than 1000 characters: name parts of it under values"),
]


@pytest.mark.parametrize(("text", "offset", "message"), REFUSED, ids=[text[:30] or "nothing" for text, _, _ in REFUSED])
def test_what_is_not_the_language_is_refused_at_its_place(text: str, offset: Any, message: Any) -> None:
    with pytest.raises(LanguageError) as caught:
        check(text, SCOPE)
    assert (caught.value.offset, str(caught.value)) == (offset, message)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("price(vault)", PriceRead(1, VAULT.lower())),
        ("price(m.token)", PriceRead(1, OTHER)),
        (f'price("{checksum(OTHER)}", vault)', PriceRead(1, OTHER, VAULT.lower())),
        ("price(vault, zero)", PriceRead(1, VAULT.lower())),
        ('price("coingecko:bitcoin")', PriceRead(1, "coingecko:bitcoin")),
    ],
)
def test_a_price_is_asked_as_a_view_is_and_what_it_is_made_of_waits(text: str, read: PriceRead) -> None:
    table = Table()
    assert evaluate(check(f"x * {text}", SCOPE).tree, table) is PENDING
    assert table.wanted == [read]
    assert worth(f"x * {text}", {read: Fraction(1, 2)}) == Fraction(7, 2)
    assert worth(f"x * {text}", {read: Unknown("old")}) == Unknown("old")
    assert not check(text, SCOPE).is_constant


def test_an_answer_of_a_service_has_no_prices() -> None:
    with pytest.raises(LanguageError, match="an answer has not"):
        check("price(vault) > 1", Scope(open=True))


def test_a_contract_may_declare_a_view_of_its_own() -> None:
    own = {"vault": {"config": (parse_view("config(bytes32)(uint256)"),)}}
    scope = Scope(contracts=("vault",), views=standard_views(), own_views=own)
    assert check('vault.config(keccak("A"))', scope).kind is NUMBER


def test_an_open_scope_takes_names_as_they_come() -> None:
    expression = check("code == 'OK' and data.rows > 3", Scope(open=True))
    assert expression.names == {"code", "data.rows"}
    assert check("data.rows", Scope(open=True)).kind is ANYTHING


def test_an_expression_knows_what_it_uses() -> None:
    assert check("vault.totalSupply() * x", SCOPE).names == {"vault", "totalSupply()", "x"}
    assert check("1 + 2 > 3", SCOPE).is_constant


def test_every_view_of_the_library_is_canonical() -> None:
    views = standard_views()
    assert sum(len(signatures) for signatures in views.values()) >= 60
    assert all(parse_view(str(one)) == one for signatures in views.values() for one in signatures)


SIGNATURES = [
    ("", 0, "a function's name was expected, as in balanceOf(address)(uint256)"),
    ("9()(uint256)", 0, "a function's name was expected, as in balanceOf(address)(uint256)"),
    ("f", 1, "write it as in balanceOf(address)(uint256)"),
    ("f uint256", 1, "'(' was expected here, as in balanceOf(address)(uint256)"),
    ("f(uint256)", 9, "it does not say what comes back: write it as in totalSupply()(uint256)"),
    ("f()()", 4, "it does not say what comes back: write it as in totalSupply()(uint256)"),
    ("f(addres)(bool)", 2, "'addres' is not an ABI type"),
    ("f(uint7)(bool)", 2, "'uint7' is not an ABI type"),
    ("f(uint264)(bool)", 2, "'uint264' is not an ABI type"),
    ("f(bytes33)(bool)", 2, "'bytes33' is not an ABI type"),
    ("f(address,)(bool)", 10, "a type is missing"),
    ("f(uint256 of)(bool)", 10, "'uint256 of' has a name in it: write only the type, uint256"),
    ("f(uint256[2000])(bool)", 9, "an array of 2000 entries is not accepted"),
    ("f(uint256", 9, "the parentheses do not match"),
    (
        "f(address)(bool) view",
        16,
        "view is Solidity: write only name(types)(types), as in totalSupply()(uint256)",
    ),
    ("f((((((((((uint8))))))))))(bool)", 10, "types are nested too deeply, 8 is the most"),
    ("f(" + "uint8," * 60, 0, "a signature of more than 300 characters"),
]


@pytest.mark.parametrize(("text", "offset", "message"), SIGNATURES)
def test_a_wrong_signature_is_refused_at_its_place(text: str, offset: Any, message: Any) -> None:
    with pytest.raises(SignatureError) as caught:
        parse_view(text)
    assert (caught.value.offset, caught.value.reason) == (offset, message)


# The examples of EIP-55.
CHECKSUMS = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("address", CHECKSUMS)
def test_checksums_are_those_of_eip_55(address: str) -> None:
    assert checksum(address.lower()) == address
    assert address_problem(address) is None
    assert address_problem(address.swapcase().replace("0X", "0x")) is not None


def test_signatures_are_written_out() -> None:
    assert str(parse_view("f(uint,(int,bool)[2][])(bytes)")) == "f(uint256,(int256,bool)[2][])(bytes)"
