"""The topics of stories. A line: places; people; things; adjectives; verbs with a thing as object;
happenings. The first line of a topic names it, the indented ones go on."""

TOPICS = {}
for _line in (
    """
sea: beach,harbour,island,lighthouse,bay; sailor,captain,diver,fisherman;
    boat,shell,net,anchor,rope,sail,crab,oar,pearl;
    salty,wet,wooden,heavy; pull,mend,drop,find,paint;
    the tide came in,the waves grew,the gulls cried
kitchen: kitchen,pantry,dining room,larder; cook,grandmother,waiter,maid;
    pot,spoon,cake,soup,plate,kettle,pie,bowl,recipe;
    hot,tasty,burnt,fresh; stir,taste,wash,carry,drop;
    the kettle whistled,the oven smoked,the milk boiled
forest: forest,clearing,cabin,stream,valley; hunter,ranger,woodcutter,guide;
    axe,mushroom,branch,feather,tent,trail,acorn,berry,log;
    green,mossy,dry,wild; find,cut,follow,gather,hide;
    the wind shook the trees,an owl hooted,the leaves fell
space: planet,moon,station,crater,galaxy; astronaut,robot,alien,engineer;
    rocket,star,comet,helmet,satellite,signal,engine,capsule,antenna;
    bright,distant,strange,metal; launch,repair,watch,send,steer;
    the engine roared,the lights blinked,the alarm rang
farm: farm,barn,field,orchard,meadow; farmer,shepherd,milkmaid,boy;
    tractor,fence,bucket,plough,basket,egg,apple,cart,gate;
    ripe,muddy,old,rusty; fix,fill,push,load,sell;
    the rooster crowed,the hay dried,the cows came home
school: school,classroom,playground,gym,hallway; teacher,pupil,principal,student;
    book,pencil,desk,lesson,map,chalk,notebook,exam,ruler;
    clever,difficult,new,thick; read,open,draw,forget,study;
    the bell rang,the class laughed,the lesson ended
castle: castle,tower,dungeon,throne room,bridge; king,queen,knight,wizard;
    sword,crown,shield,key,scroll,ring,flag,candle,treasure;
    royal,golden,ancient,magic; guard,steal,hide,polish,wear;
    the trumpets sounded,the dragon woke,the gates closed
city: city,market,square,station,museum; policeman,driver,shopkeeper,tourist;
    taxi,ticket,bicycle,newspaper,umbrella,camera,wallet,sign,lamp;
    busy,noisy,modern,crowded; buy,lose,park,ride,sell;
    the traffic stopped,the lights went out,the train was late
garden: garden,greenhouse,pond,terrace; gardener,neighbour,aunt,beekeeper;
    rose,seed,spade,tulip,hose,weed,bush,pumpkin,hedge;
    sweet,tiny,fragrant,tall; plant,water,pick,dig,grow;
    the sun came out,the bees hummed,the rain stopped
hospital: hospital,ward,clinic,waiting room; doctor,nurse,patient,surgeon;
    bandage,pill,needle,wheelchair,bed,medicine,mask,chart,syringe;
    sick,clean,painful,careful; check,bring,clean,take,order;
    the ambulance arrived,the fever fell,the door opened
library: library,reading room,archive,cellar; librarian,scholar,author,visitor;
    novel,shelf,page,letter,dictionary,poem,card,manuscript,globe;
    dusty,quiet,famous,rare; borrow,return,copy,translate,lend;
    the clock struck,a page fell out,the lamp went dark
music: concert hall,stage,studio,opera house; singer,drummer,pianist,conductor;
    guitar,violin,drum,song,piano,trumpet,flute,melody,microphone;
    loud,soft,joyful,slow; play,tune,practise,record,hear;
    the crowd clapped,a string broke,the curtain rose
winter: mountain,village,frozen lake,chalet,slope; skier,skater,mountaineer,rescuer;
    sled,scarf,snowman,glove,coat,blanket,ski,icicle,boot;
    cold,icy,warm,woollen; wear,build,pull,knit,dry;
    the snow fell,the lake froze,a storm came
desert: desert,oasis,dune,camp,canyon; nomad,merchant,guide,traveller;
    camel,carpet,bottle,compass,jar,turban,lantern,date,spice;
    sandy,thirsty,dusty,silver; trade,carry,fill,unpack,find;
    the sand blew,the sun burned,the well ran dry
pirate: ship,cove,jungle,cave,tavern; pirate,cook,gunner,cabin boy;
    chest,parrot,cannon,coin,barrel,map,dagger,hook,jewel;
    greedy,cursed,golden,sharp; bury,steal,count,fire,dig up;
    the storm broke,the mast fell,the cannons roared
sport: stadium,pool,pitch,track,arena; coach,runner,goalkeeper,referee;
    ball,medal,trophy,racket,jersey,whistle,bat,goal,helmet;
    fast,strong,young,final; kick,throw,win,catch,hit;
    the fans cheered,the whistle blew,the match began
workshop: workshop,factory,garage,yard; carpenter,inventor,smith,apprentice;
    hammer,nail,saw,machine,wheel,chain,screw,ladder,clock;
    iron,broken,clever,useful; build,repair,measure,invent,sharpen;
    the machine stopped,sparks flew,the motor hummed
art: gallery,studio,academy,fair; painter,sculptor,model,collector;
    picture,brush,statue,portrait,canvas,frame,vase,sketch,easel;
    colourful,strange,lovely,expensive; paint,sell,admire,frame,sketch;
    the guests arrived,the paint dried,the statue fell
river: river,dam,mill,waterfall,ferry; miller,angler,ferryman,swimmer;
    raft,trout,canoe,pebble,reed,paddle,sack,trap,plank;
    deep,muddy,clear,fast; catch,row,mend,throw,float;
    the water rose,the ice broke,the bridge shook
zoo: zoo,cage,aquarium,enclosure; keeper,vet,child,photographer;
    lion,monkey,elephant,peacock,giraffe,hippo,zebra,tortoise,panda;
    hungry,lazy,enormous,playful; feed,chase,wash,watch,photograph;
    the lion roared,the monkeys danced,the visitors laughed
office: office,bank,lobby,meeting room; manager,secretary,clerk,boss;
    report,computer,contract,folder,invoice,printer,phone,budget,parcel;
    urgent,secret,important,late; sign,print,write,check,post;
    the phone rang,the meeting started,the printer jammed
airport: airport,terminal,runway,cockpit,hangar; pilot,passenger,stewardess,officer;
    plane,suitcase,passport,seat,bag,jacket,wing,parachute,radio;
    delayed,foreign,safe,nervous; board,land,pack,check,inspect;
    the plane took off,the fog cleared,the gate closed
circus: circus,tent,ring,wagon; clown,juggler,acrobat,magician;
    hat,balloon,wand,costume,trick,hoop,rabbit,puppet,tightrope;
    funny,red,brave,dizzy; juggle,practise,show,drop,inflate;
    the band played,the children laughed,the curtain fell
law: court,prison,cell,police station; judge,lawyer,thief,detective;
    letter,clue,witness,photograph,fingerprint,diamond,document,safe,verdict;
    guilty,honest,false,secret; find,examine,hide,steal,destroy;
    the door creaked,a shot rang out,the jury left
""".strip()
    .replace("\n    ", " ")
    .split("\n")
):
    _name, _parts = _line.split(":")
    TOPICS[_name] = [part.strip().split(",") for part in _parts.split(";")]
