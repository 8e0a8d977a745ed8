"""Common English words of variable names; no library has a dangerous function whose name consists of them alone."""

WORDS = """
a abc above acc add after all alpha alphabet alphabets amount ans answer apples area arr array arrays average avg b
balance balloon base begin below best between big bigger binary bit bits both bracket brackets brazil c cap capacity
case cased ch char character characters chars check checked close closed closer closest closing cnt col collatz cols
column common commons compare consonant consonants copy count counter counts cube cubes cur curr current d data date
day days dec decimal decreasing degree delimiter delta den depth dest dict diff difference digit digits dist
distance divides divisor divisors double dp e eaten eight el element elements empty end ends entry equal even evens
extension extensions f fact factor factorial factors fib fibfib fibonacci final first five flag floor found four frac
freq frequency from fruit fruits fst full g game gcd grade grades greater greatest grid group grouped groups guess
guesses h half hash height hex high highest hour i idx in increasing index indexes indices inf initial inner int
integer integers interval intervals is it item items j k key keys l large larger largest last lcm left len length
lengths less letter letters level limit line lines list lists long longest low lower lowest lst m mango map match
matched matches max maximum mean median memo merged message mid middle min minimum minus minute mod month mp multiple
multiples music n name names nd need negative negatives nested new next nine non note notes num number numbers
numerals nums o obj odd odds offset old one ones op open opened opening operand operands operation operations
operators orange oranges order ordered original other out outer output p pair pairs palindrome palindromes paren
parens parentheses part partial parts pattern pivot planet planets plus point points poly pos position positions
positive power powers pq pref prefix prefixes prev previous prime primes prod product products q queue r range rd reg
regex remain remainder remaining repeat res rescaled result results ret rev reverse reversed right roman root rotated
row rows s sb sec second sentence sentences seq sequence sets seven shift shifts sides sign signs simple six size sm
seen small smaller smallest snd sorted space spaces special split sq square squares ss st stack start starts step str
strength string strings strong strongest sub subarray substring suffix sum sums swapped t target temp ten term terms
text th third three threshold times tmp to token top total triple two txt u unique unit upper v val valid value values
var vec vowel vowels w weight wells word words x xs y year z zero zeros
"""
COMMON_WORDS = frozenset(WORDS.split())
