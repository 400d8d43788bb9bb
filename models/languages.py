"""Short texts in eight languages, written for the tokenizer labs: something to learn merges from, and something to pay for in tokens.

`PROSE` is English only, a few pages, so that a few hundred merges find something to count. `PARAGRAPHS` says the same five sentences in every
language, so that a tokenizer trained on all of them hears each equally often. `HELD_OUT` says two further sentences in every language: no
tokenizer here is trained on them, and as they mean the same everywhere, their lengths in tokens are prices for the same goods.
"""

PROSE = """\
The market opens before the sun is up. First come the farmers with their carts, then the bakers, and at last the people who buy. By eight o'clock
the square is full of voices. A woman sells apples from two wooden boxes; her brother sells cheese and butter from a small white table. Nobody is
in a hurry, and everybody knows everybody else. The old clock above the bakery has been wrong for years, but nobody has ever asked for another one.

Reading is a skill that grows slowly. A child who is learning to read looks at every letter, then at every word, and only later at whole lines. The
reader who has read thousands of pages no longer sees the letters at all. Something similar happens when a machine learns to cut a text: at first
there are only single letters, then pairs of letters that often stand together, then the endings and beginnings of words, and finally whole words.
The frequent words become one piece; the rare ones remain in several pieces. That is neither good nor bad. It is what counting does.

My grandmother kept a book in which she wrote down the weather. She began it in the winter of 1951 and wrote in it every morning for forty years.
Cold and clear, she wrote, or rain again, or the first warm day. When we were children we thought this was boring. Now we read it and see more than
the weather: the colder mornings are written in a heavier hand, the warmer ones are lighter and longer, and on some days there is nothing at all.

A river is never the same and always the same. The water that passed under the bridge this morning is now far away, and the water that passes now
was still in the mountains yesterday. People who live near rivers learn to listen to them. The sound is higher when the water is low and lower when
the water is high. After heavy rain the river carries leaves, branches and sometimes whole trees, and then the children stand on the bridge and count.

Learning to cook means learning to wait. The onions must be soft before the tomatoes are added, the tomatoes must be thick before the water is added,
and the water must be boiling before the pasta is added. Whoever adds everything at once saves a quarter of an hour and loses the taste. Writing a
program is not so different. The parts must be tested before they are joined, and the joined parts must be tested before they are shipped. Testing
takes time, and not testing takes more time.

In the train from the north to the south of the country one hears the language change. The words are nearly the same, but the vowels are longer, the
endings are shorter, and the questions rise where they used to fall. Nobody can say where the border is. Between any two neighbouring villages there
is hardly a difference; between the first and the last village there is nearly a new language. Most things that seem to have a border are like this
when one looks closely: day and night, hill and valley, young and old, known and unknown.

Three friends share a workshop. The first repairs bicycles, the second repairs radios, and the third repairs whatever the others cannot repair. They
earn little and laugh a lot. Last week someone brought them a wooden horse with a broken leg. They looked at it for an hour, they talked about it for
another hour, and then the third friend said: we shall not repair the leg, we shall build wheels. The horse has wheels now, and its owner, who is four
years old, is happier than before. Things that are broken are sometimes only unfinished.

Numbers have a history as well. People counted on fingers, on stones, on knots and on paper. 10 was chosen because we have ten fingers, 12 because it
can be divided by 2, 3, 4 and 6, and 60 because it can be divided by even more. A minute still has 60 seconds and a day still has 24 hours. In 2025
as in 1925, a dozen eggs are 12 eggs, and the seller who gives 13 is remembered longer than the one who gives 11.
"""

PARAGRAPHS = {
    "English": "The children go to school every morning. In summer the days are long and the nights are short. My sister works in a hospital in the "
    "city. We bought bread, milk and two kilos of apples at the market. When it rains, we stay at home and read books.",
    "German": "Die Kinder gehen jeden Morgen in die Schule. Im Sommer sind die Tage lang und die Nächte kurz. Meine Schwester arbeitet in einem "
    "Krankenhaus in der Stadt. Wir haben auf dem Markt Brot, Milch und zwei Kilo Äpfel gekauft. Wenn es regnet, bleiben wir zu Hause und lesen Bücher.",
    "Spanish": "Los niños van a la escuela todas las mañanas. En verano los días son largos y las noches son cortas. Mi hermana trabaja en un hospital "
    "de la ciudad. Compramos pan, leche y dos kilos de manzanas en el mercado. Cuando llueve, nos quedamos en casa y leemos libros.",
    "Russian": "Дети каждое утро ходят в школу. Летом дни длинные, а ночи короткие. Моя сестра работает в больнице в городе. Мы купили на рынке хлеб, "
    "молоко и два килограмма яблок. Когда идёт дождь, мы остаёмся дома и читаем книги.",
    "Arabic": "يذهب الأطفال إلى المدرسة كل صباح. في الصيف تكون الأيام طويلة والليالي قصيرة. تعمل أختي في مستشفى في المدينة. اشترينا من السوق خبزا وحليبا "
    "وكيلوغرامين من التفاح. عندما تمطر نبقى في البيت ونقرأ الكتب.",
    "Hindi": "बच्चे हर सुबह स्कूल जाते हैं। गर्मियों में दिन लंबे और रातें छोटी होती हैं। मेरी बहन शहर के एक अस्पताल में काम करती है। हमने बाज़ार से रोटी, दूध और दो किलो सेब "
    "खरीदे। जब बारिश होती है, हम घर पर रहते हैं और किताबें पढ़ते हैं।",
    "Chinese": "孩子们每天早上去上学。夏天白天很长，夜晚很短。我姐姐在城里的一家医院工作。我们在市场上买了面包、牛奶和两公斤苹果。下雨的时候，我们待在家里看书。",
    "Japanese": "子供たちは毎朝学校へ行きます。夏は昼が長く、夜が短いです。姉は町の病院で働いています。私たちは市場でパンと牛乳とりんごを二キロ買いました。"
    "雨が降るときは、家にいて本を読みます。",
}

HELD_OUT = {
    "English": "The train to the city leaves at nine. My friends are waiting for us at the station with flowers.",
    "German": "Der Zug in die Stadt fährt um neun Uhr ab. Meine Freunde warten am Bahnhof mit Blumen auf uns.",
    "Spanish": "El tren a la ciudad sale a las nueve. Mis amigos nos esperan en la estación con flores.",
    "Russian": "Поезд в город отправляется в девять. Мои друзья ждут нас на вокзале с цветами.",
    "Arabic": "يغادر القطار إلى المدينة في الساعة التاسعة. أصدقائي ينتظروننا في المحطة ومعهم الزهور.",
    "Hindi": "शहर जाने वाली रेलगाड़ी नौ बजे निकलती है। मेरे दोस्त फूल लेकर स्टेशन पर हमारा इंतज़ार कर रहे हैं।",
    "Chinese": "去城里的火车九点出发。我的朋友们拿着花在车站等我们。",
    "Japanese": "町へ行く電車は九時に出ます。友達が花を持って駅で私たちを待っています。",
}
