"""The words of the grammar. Lists are ordered: `skew` in engine.py takes early words more often,
so that word frequencies fall off as in natural text."""


def words(text):
    return text.split()


GIRLS = words("""Anna Mary Lily Sara Emma Nina Clara Julia Rosa Alice Maya Zoe Eva Laura Hanna
Sofia Olivia Grace Ruby Lucy Ella Mia Ivy Nora Amy Helen Jane Kate Leah Marta Olga Petra Rita
Tina Vera Wendy Yara Fatima Aisha Ingrid""")
BOYS = words("""Tom Ben Max Sam Leo Jack Paul Adam David Peter Carlos Oscar Felix Hugo Ivan John
Karl Luke Mark Noah Omar Pablo Rob Simon Tim Victor Walter Musa Ali Bruno Daniel Eric Frank
George Henry Jonas Kevin Martin Nick Oliver""")
SURNAMES = words("""Smith Brown Miller Green Baker Hill Wood Stone Young King Cooper Carter
Fisher Hunter Mason Parker Taylor Turner Walker Ward Bell Cole Dean Ellis Fox Gray Hart Lane
Marsh Moss Page Reed Rose Shaw West""")

COLOURS = words("red blue green yellow black white brown pink purple orange grey silver golden")
DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = words("""January February March April May June July August September October November
December""")
SEASONS = words("spring summer autumn winter")
NUMBERS = words("""one two three four five six seven eight nine ten eleven twelve thirteen
fourteen fifteen sixteen seventeen eighteen nineteen twenty""")
TENS = words("ten twenty thirty forty fifty sixty seventy eighty ninety")
ORDINALS = words("first second third fourth fifth sixth seventh eighth ninth tenth")
FAMILY = words("mother father sister brother aunt uncle grandmother grandfather cousin")
POSITIVE = words("""good great lovely wonderful excellent beautiful amazing brilliant charming
delightful superb perfect fantastic pleasant fine enjoyable marvellous splendid""")
NEGATIVE = words("""bad boring terrible awful poor dull horrible ugly broken disappointing weak
dreadful annoying useless unpleasant nasty lousy miserable""")
HAPPY = words("happy glad proud cheerful pleased delighted thankful joyful")
SAD = words("sad angry upset worried afraid lonely tired gloomy")
MANNERS = words("""slowly quickly quietly carefully gently happily suddenly calmly proudly bravely
loudly softly patiently kindly eagerly nervously politely silently""")
OPPOSITES = [
    tuple(p.split("/"))
    for p in words("""hot/cold big/small tall/short fast/slow
old/new happy/sad light/dark wet/dry hard/soft rich/poor full/empty early/late loud/quiet
clean/dirty open/closed strong/weak high/low long/brief wide/narrow thick/thin deep/shallow
heavy/weightless near/far sweet/bitter rough/smooth sharp/blunt brave/cowardly safe/dangerous
cheap/expensive easy/difficult true/false right/wrong alive/dead awake/asleep young/aged
begin/end buy/sell give/take push/pull win/lose arrive/leave remember/forget above/below
inside/outside before/after always/never love/hate laugh/cry day/night""")
]

# country: capital, second city, language, continent, money, food, people
COUNTRIES = {
    c.split(":")[0]: c.split(":")[1].split(",")
    for c in """
France:Paris,Lyon,French,Europe,euro,cheese,French
Japan:Tokyo,Osaka,Japanese,Asia,yen,rice,Japanese
Italy:Rome,Milan,Italian,Europe,euro,pasta,Italian
Spain:Madrid,Seville,Spanish,Europe,euro,paella,Spanish
Germany:Berlin,Munich,German,Europe,euro,sausage,German
Egypt:Cairo,Luxor,Arabic,Africa,pound,beans,Egyptian
China:Beijing,Shanghai,Chinese,Asia,yuan,noodles,Chinese
Brazil:Brasilia,Recife,Portuguese,America,real,stew,Brazilian
Kenya:Nairobi,Mombasa,Swahili,Africa,shilling,maize,Kenyan
India:Delhi,Mumbai,Hindi,Asia,rupee,curry,Indian
Russia:Moscow,Kazan,Russian,Europe,rouble,soup,Russian
Greece:Athens,Patras,Greek,Europe,euro,olives,Greek
Sweden:Stockholm,Malmo,Swedish,Europe,krona,herring,Swedish
Turkey:Ankara,Izmir,Turkish,Asia,lira,kebab,Turkish
Mexico:Puebla,Tijuana,Mexican,America,peso,tacos,Mexican
Canada:Ottawa,Toronto,English,America,dollar,syrup,Canadian
Norway:Oslo,Bergen,Norwegian,Europe,krone,salmon,Norwegian
Poland:Warsaw,Krakow,Polish,Europe,zloty,dumplings,Polish
Portugal:Lisbon,Porto,Portuguese,Europe,euro,cod,Portuguese
Peru:Lima,Cusco,Quechua,America,sol,potatoes,Peruvian
Korea:Seoul,Busan,Korean,Asia,won,kimchi,Korean
Vietnam:Hanoi,Hue,Vietnamese,Asia,dong,spring rolls,Vietnamese
Finland:Helsinki,Turku,Finnish,Europe,euro,rye bread,Finnish
Hungary:Budapest,Szeged,Hungarian,Europe,forint,goulash,Hungarian
Morocco:Rabat,Fez,Berber,Africa,dirham,couscous,Moroccan
Ghana:Accra,Kumasi,Akan,Africa,cedi,yams,Ghanaian
Cuba:Havana,Santiago,Spanish,America,peso,bananas,Cuban
Iceland:Reykjavik,Akureyri,Icelandic,Europe,krona,lamb,Icelandic
Austria:Vienna,Salzburg,German,Europe,euro,apple cake,Austrian
Thailand:Bangkok,Phuket,Thai,Asia,baht,green curry,Thai
""".strip().split("\n")
}

# animal: sound, food, home, baby, covering, group, legs, deed
ANIMALS = {
    a.split(":")[0]: a.split(":")[1].split(",")
    for a in """
dog:barks,meat,a kennel,puppy,fur,pack,four,guards the house
cat:meows,fish,a basket,kitten,fur,clowder,four,catches mice
cow:moos,grass,a barn,calf,hair,herd,four,gives milk
horse:neighs,hay,a stable,foal,hair,herd,four,pulls a cart
sheep:bleats,grass,a fold,lamb,wool,flock,four,gives wool
pig:grunts,turnips,a sty,piglet,bristles,herd,four,rolls in mud
duck:quacks,weeds,a pond,duckling,feathers,flock,two,swims on water
hen:clucks,corn,a coop,chick,feathers,brood,two,lays eggs
lion:roars,zebras,the savanna,cub,fur,pride,four,hunts at night
bear:growls,honey,a cave,cub,fur,sleuth,four,sleeps all winter
wolf:howls,deer,a den,pup,fur,pack,four,hunts with its pack
frog:croaks,flies,a swamp,tadpole,wet skin,army,four,jumps far
bee:buzzes,nectar,a hive,larva,fine hair,swarm,six,makes honey
owl:hoots,mice,a hollow tree,owlet,feathers,parliament,two,sees in the dark
snake:hisses,rats,a hole,snakelet,scales,nest,no,sheds its skin
mouse:squeaks,seeds,a nest,pinkie,fur,mischief,four,hides from cats
elephant:trumpets,leaves,the plains,calf,thick skin,herd,four,never forgets
monkey:chatters,bananas,the jungle,infant,fur,troop,four,swings from trees
goat:bleats,thistles,the hills,kid,hair,herd,four,climbs steep rocks
crow:caws,worms,a treetop,nestling,feathers,murder,two,solves puzzles
whale:sings,krill,the ocean,calf,smooth skin,pod,no,dives very deep
seal:barks,squid,the ice,pup,short fur,colony,no,swims under ice
penguin:honks,herring,the South Pole,chick,feathers,colony,two,slides on its belly
camel:groans,thorns,the desert,calf,hair,caravan,four,carries water
rabbit:squeals,carrots,a burrow,bunny,fur,colony,four,runs from foxes
fox:yelps,rabbits,an earth,kit,red fur,skulk,four,steals hens
spider:is silent,insects,a web,spiderling,fine hair,cluster,eight,spins silk
eagle:screams,salmon,a cliff,eaglet,feathers,convocation,two,soars high
parrot:talks,nuts,the rainforest,chick,bright feathers,company,two,copies words
tiger:roars,buffalo,the jungle,cub,striped fur,streak,four,swims well
""".strip().split("\n")
}

# job: place, tool, deed
JOBS = {
    j.split(":")[0]: j.split(":")[1].split(",")
    for j in """
doctor:a hospital,a thermometer,heals sick people
teacher:a school,a blackboard,teaches children
baker:a bakery,an oven,bakes bread
farmer:a farm,a tractor,grows wheat
pilot:an airport,a plane,flies over the clouds
cook:a restaurant,a pan,prepares meals
tailor:a workshop,a needle,sews clothes
painter:a studio,a brush,paints pictures
gardener:a park,a spade,plants flowers
judge:a court,a hammer,decides cases
nurse:a clinic,a bandage,cares for patients
miner:a mine,a lamp,digs coal
barber:a salon,a razor,cuts hair
butcher:a shop,a knife,sells meat
carpenter:a shed,a saw,builds tables
librarian:a library,a catalogue,lends books
waiter:a cafe,a tray,serves coffee
driver:a station,a bus,drives passengers
actor:a theatre,a mask,plays roles
scientist:a laboratory,a microscope,studies cells
plumber:a cellar,a wrench,repairs pipes
dentist:a surgery,a drill,fixes teeth
singer:a concert hall,a microphone,sings songs
writer:an office,a pencil,writes novels
soldier:a fort,a shield,defends the country
clerk:a bank,a stamp,counts money
weaver:a mill,a loom,weaves cloth
potter:a pottery,a wheel,shapes clay
astronomer:an observatory,a telescope,watches stars
mechanic:a garage,a spanner,mends engines
""".strip().split("\n")
}

IRREGULAR = {
    v.split("/")[0]: v.split("/")[1:]
    for v in words("""find/found/found cut/cut/cut
hide/hid/hidden send/sent/sent sell/sold/sold read/read/read draw/drew/drawn forget/forgot/forgotten
steal/stole/stolen wear/wore/worn buy/bought/bought lose/lost/lost ride/rode/ridden dig/dug/dug
grow/grew/grown bring/brought/brought take/took/taken lend/lent/lent hear/heard/heard
build/built/built knit/knit/knit throw/threw/thrown win/won/won catch/caught/caught hit/hit/hit
write/wrote/written show/showed/shown feed/fed/fed see/saw/seen give/gave/given keep/kept/kept
tell/told/told know/knew/known think/thought/thought say/said/said go/went/gone come/came/come
leave/left/left make/made/made break/broke/broken drop/dropped/dropped stir/stirred/stirred
plan/planned/planned put/put/put eat/ate/eaten drink/drank/drunk sing/sang/sung swim/swam/swum
run/ran/run sleep/slept/slept sit/sat/sat speak/spoke/spoken meet/met/met pay/paid/paid
drive/drove/driven fly/flew/flown teach/taught/taught lead/led/led""")
}
DOUBLE = {
    "stir": "stirr",
    "drop": "dropp",
    "cut": "cutt",
    "dig": "digg",
    "knit": "knitt",
    "win": "winn",
    "hit": "hitt",
    "forget": "forgett",
    "plan": "plann",
    "put": "putt",
    "run": "runn",
    "swim": "swimm",
    "sit": "sitt",
    "trap": "trapp",
    "grab": "grabb",
}
DEEDS = words("""see want need like keep find lose buy sell carry clean repair show hide bring take
borrow break check count paint admire grab fetch share choose notice examine mention describe
protect deliver collect arrange praise refuse return study touch move lift lock open close wrap
unwrap paint decorate rescue offer promise order receive remember recognise explain compare test
weigh measure polish burn bury cover discover follow guard hang imagine inspect mark miss name need
pass pick plan point present preserve press prove punish record reject remove rent replace request
restore ruin scratch search select separate shake spoil support surround trust use warn waste""")

# kind: its members
KINDS = {
    k.split(":")[0]: k.split(":")[1].split(",")
    for k in """
instrument:violin,flute,harp,cello,trumpet,banjo,clarinet,oboe,tuba,accordion
flower:rose,tulip,daisy,lily,orchid,violet,poppy,sunflower,daffodil,carnation
tree:oak,birch,willow,maple,beech,cedar,pine,elm,palm,poplar
bird:sparrow,robin,swallow,stork,heron,swan,pigeon,magpie,blackbird,falcon
fish:trout,salmon,herring,tuna,carp,eel,shark,pike,perch,sardine
insect:ant,beetle,butterfly,moth,wasp,cricket,mosquito,dragonfly,ladybird,termite
tool:hammer,saw,chisel,drill,wrench,screwdriver,file,shovel,rake,pliers
vehicle:car,truck,tram,scooter,van,lorry,motorcycle,tractor,ambulance,submarine
garment:shirt,skirt,jacket,sweater,dress,coat,trousers,blouse,waistcoat,pyjamas
metal:iron,copper,zinc,tin,nickel,lead,aluminium,gold,silver,platinum
planet:Mercury,Venus,Mars,Jupiter,Saturn,Uranus,Neptune
drink:tea,coffee,juice,lemonade,cocoa,cider,water,milk,wine,beer
vegetable:carrot,cabbage,spinach,leek,celery,radish,turnip,cucumber,lettuce,beetroot
spice:pepper,saffron,cinnamon,ginger,cumin,nutmeg,paprika,thyme,oregano,clove
gem:ruby,emerald,sapphire,opal,topaz,jade,amber,garnet,amethyst
dance:waltz,tango,polka,salsa,ballet,rumba,samba,foxtrot,minuet
shape:circle,square,triangle,cube,cone,sphere,cylinder,pyramid,oval,hexagon
container:box,jar,barrel,basket,crate,bucket,tin,drawer,suitcase,envelope
building:church,temple,palace,cottage,tower,warehouse,cathedral,mosque,villa,skyscraper
science:physics,chemistry,biology,geology,astronomy,botany,medicine,psychology,mathematics
dwelling:tent,hut,igloo,flat,bungalow,caravan,cabin,mansion,lodge,houseboat
toy:doll,kite,marble,puzzle,yo-yo,teddy,rattle,spinning top,rocking horse
body part:elbow,knee,ankle,shoulder,wrist,thumb,chin,forehead,finger,neck
illness:flu,measles,fever,asthma,cough,mumps,malaria,migraine,cold
game:chess,draughts,poker,dominoes,bridge,bingo,darts,billiards,hopscotch
material:leather,velvet,denim,linen,nylon,cotton,wool,silk,canvas,felt
piece of furniture:table,sofa,wardrobe,stool,armchair,bookcase,cupboard,bench,desk,dresser
""".strip().split("\n")
}
MOVES = words("walk run drive travel hurry go swim fly climb return march wander")
MINDS = words("think believe know hope say fear guess dream insist promise")

FRUIT = words("""apples pears plums cherries grapes lemons oranges peaches figs melons berries
apricots bananas mangoes""")
FOODS = words("""bread butter cheese milk eggs flour sugar salt rice beans onions carrots tomatoes
potatoes garlic honey pepper oil tea coffee ham fish chicken mushrooms cabbage cream vinegar basil
parsley almonds raisins cinnamon""")
GOODS = words("""pens books lamps chairs shirts shoes hats bottles boxes candles cups coins stamps
toys ropes clocks keys bags tickets pencils""")
DISHES = words("""soup salad cake stew pie bread pancakes omelette pudding curry pizza jam porridge
risotto""")
WEATHERS = words("sunny rainy cloudy windy snowy foggy stormy cold warm mild freezing humid dry")
SPORTS = words("football tennis hockey chess basketball rugby cricket volleyball handball golf")
TEAMS = words("""Lions Tigers Eagles Bears Wolves Sharks Hawks Bulls Foxes Panthers Falcons
Dragons""")
PRODUCTS = words("""film book phone hotel song game restaurant camera play bicycle radio laptop
museum blender novel concert""")
ASPECTS = {
    "film": "plot actors ending music",
    "book": "story style ending characters",
    "phone": "screen battery sound camera",
    "hotel": "room breakfast bed view",
    "song": "melody voice rhythm lyrics",
    "game": "graphics rules levels music",
    "restaurant": "food service wine dessert",
    "camera": "lens flash zoom button",
    "play": "actors stage costumes plot",
    "bicycle": "brakes saddle frame wheels",
    "radio": "sound antenna speaker clock",
    "laptop": "keyboard screen battery fan",
    "museum": "paintings rooms guide shop",
    "blender": "motor jug lid blade",
    "novel": "hero chapters dialogue ending",
    "concert": "band sound lights singer",
}
MATERIALS = words("""wood iron glass paper gold silver stone leather cotton silk plastic rubber clay
wool copper steel""")
MADE = {
    "table": "wood",
    "window": "glass",
    "book": "paper",
    "ring": "gold",
    "coin": "silver",
    "wall": "stone",
    "shoe": "leather",
    "shirt": "cotton",
    "tie": "silk",
    "bottle": "plastic",
    "tyre": "rubber",
    "pot": "clay",
    "scarf": "wool",
    "wire": "copper",
    "knife": "steel",
    "nail": "iron",
    "door": "wood",
    "newspaper": "paper",
    "belt": "leather",
    "brick": "clay",
}
SCIENCE = [
    tuple(s.split("/"))
    for s in """water/boils/at one hundred degrees/it turns into steam
ice/melts/when it gets warm/it turns into water
wood/burns/when it is dry/it turns into ash
iron/rusts/when it gets wet/it turns red
the moon/shines/at night/it reflects the light of the sun
the sun/rises/in the east/the earth turns
a plant/grows/when it gets light and water/it makes sugar in its leaves
a magnet/pulls/iron and steel/it has two poles
a balloon/rises/when the air in it is hot/hot air is light
a boat/floats/on water/it is lighter than the water it pushes away
the heart/pumps/blood through the body/the muscles need oxygen
the lungs/breathe/air in and out/the blood takes up oxygen
an echo/returns/from a wall/sound bounces off hard surfaces
a rainbow/appears/after rain/drops of water split the light
a battery/drives/a current/it stores energy
a volcano/erupts/when pressure grows/melted rock pushes up
sugar/dissolves/in hot tea/the water pulls its crystals apart
a shadow/falls/behind an object/light travels in straight lines
bread/rises/in a warm place/yeast makes gas
a compass/points/to the north/the earth is a magnet""".split("\n")
]

# English: French, Spanish, German
TRANSLATE = {
    t.split(":")[0]: t.split(":")[1].split(",")
    for t in """
cat:chat,gato,Katze
dog:chien,perro,Hund
house:maison,casa,Haus
water:eau,agua,Wasser
bread:pain,pan,Brot
book:livre,libro,Buch
tree:arbre,árbol,Baum
sun:soleil,sol,Sonne
moon:lune,luna,Mond
friend:ami,amigo,Freund
mother:mère,madre,Mutter
father:père,padre,Vater
day:jour,día,Tag
night:nuit,noche,Nacht
red:rouge,rojo,rot
blue:bleu,azul,blau
green:vert,verde,grün
big:grand,grande,groß
small:petit,pequeño,klein
one:un,uno,eins
two:deux,dos,zwei
three:trois,tres,drei
school:école,escuela,Schule
street:rue,calle,Straße
fish:poisson,pez,Fisch
apple:pomme,manzana,Apfel
table:table,mesa,Tisch
door:porte,puerta,Tür
king:roi,rey,König
milk:lait,leche,Milch
""".strip().split("\n")
}
FOREIGN = {
    "French": (
        """Le chat dort dans la maison.|Le chien mange le pain.|La fille lit un livre dans
la rue.|Mon ami boit du lait.|Le garçon aime le soleil.|La mère ouvre la porte.|Le roi habite dans
une grande maison.|Le poisson nage dans l'eau.|Le père achète une pomme rouge.|La nuit, la lune est
belle.|Nous allons à l'école le matin.|Elle chante parce qu'elle est heureuse."""
    ),
    "Spanish": (
        """El gato duerme en la casa.|El perro come el pan.|La niña lee un libro en la
calle.|Mi amigo bebe leche.|El niño ama el sol.|La madre abre la puerta.|El rey vive en una casa
grande.|El pez nada en el agua.|El padre compra una manzana roja.|De noche, la luna es
bonita.|Vamos a la escuela por la mañana.|Ella canta porque está feliz."""
    ),
    "German": (
        """Die Katze schläft im Haus.|Der Hund frisst das Brot.|Das Mädchen liest ein Buch
auf der Straße.|Mein Freund trinkt Milch.|Der Junge liebt die Sonne.|Die Mutter öffnet die Tür.|Der
König wohnt in einem großen Haus.|Der Fisch schwimmt im Wasser.|Der Vater kauft einen roten
Apfel.|In der Nacht ist der Mond schön.|Wir gehen am Morgen in die Schule.|Sie singt, weil sie
glücklich ist."""
    ),
}
RHYMES = [
    tuple(r.split("/"))
    for r in words("""cat/hat dog/log mouse/house tree/bee night/light
day/play moon/spoon star/car sea/tea king/ring snow/crow rain/train sky/pie boat/coat bed/bread
hill/mill sun/bun nose/rose bear/pear fox/box duck/truck sheep/jeep goat/throat queen/bean""")
]
ABBREVIATED = words("""alpha beta gamma delta omega sigma north south east west table river stone
cloud paper apple lemon tiger piano green""")
