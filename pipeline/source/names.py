"""Names: what a speaker's name tells of the voice to give them, where nobody chose one.

In: a name as it stands in a script. Out: "female", "male" or None. Only names that are nearly always one of the two are
listed: a voice by default is a guess, and a wrong guess is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

Gender = Literal["female", "male"]

_FEMALE_TITLES = """
actress aunt auntie baroness countess dame daughter duchess empress frau girl goddess grandma grandmother granny
heroine hostess lady ma'am madam madame mademoiselle maid mama miss mlle mme mom mother mrs ms mum niece nun princess
queen señora sister stepmother waitress widow wife witch woman
"""
_MALE_TITLES = """
abbot actor baron boy brother count dad daddy duke emperor father friar gentleman grandfather grandpa herr husband
king lad lord man mister monk monsieur mr nephew prince señor sir son squire stepfather uncle waiter widower wizard
"""
_FEMALE_NAMES = """
abigail ada adelaide adele agatha agnes aisha alexandra alice alicia alison amanda amber amelia amy ana anastasia
andreea angela angelina anita ann anna annabel anne annette annie antonia april astrid aurora ava barbara beatrice
bella bernadette beth bethany betty bianca birgit brenda brianna bridget britta brooke camilla carla carmen carol
carolina caroline carolyn catherine cathy cecilia celeste charlotte chloe christina christine cindy clara clarissa
claudia cleo cleopatra colette constance cora cordelia cristina cynthia daisy daniela daphne deborah debra delia
denise desdemona diana diane dolores donna dora doris dorothea dorothy edith eileen elaine eleanor elena elisa
elisabeth eliza elizabeth ella ellen elsa elsie emilia emily emma erica erika esmeralda estelle esther ethel eunice
eva eve evelyn fatima felicity fiona flora florence frances freya frieda gabriela gabriella gemma genevieve georgia
georgina gertrude gina giovanna gisela giulia gloria grace greta gretchen guinevere gwen hannah harriet hazel heather
heidi helen helena helene henrietta hermia hermione hilda holly ida imogen ines ingrid irene iris isabel isabella
isabelle isolde ivy jacqueline jane janet janice jasmine jemima jennifer jenny jessica jill joan joanna johanna
josephine joy joyce judith judy julia juliana julie juliet julieta june karen karin kate katherine kathleen kathryn
kathy katie katrina kimberly kirsten kristen kristina lara laura laurel lauren lavinia leah leila lena leonora leticia
lillian lily linda lisa liz lois lola lorraine louisa louise lucia lucille lucinda lucy lydia mabel madeleine
magdalena maggie maja marcella margaret margarita maria mariana marianne marie marilyn marina marjorie martha mary
matilda maud maureen megan melanie melissa mercedes meredith mia michelle mildred millie mina minerva miranda miriam
molly monica monika muriel myrtle nadia nancy naomi natalia natalie natasha nell nellie nerissa nicole nina nora olga
olive olivia ophelia pamela patricia paula pauline pearl peggy penelope penny phoebe phyllis polly portia priscilla
rachel rebecca regan regina renata rhoda rita roberta rosa rosalie rosalind rosaline rose rosemary roxane roxanne ruth
sabine sabrina sally samantha sandra sara sarah scarlett selina serena sharon sheila shirley silvia sofia sonia sophia
sophie stacy stella stephanie sue susan susanna susanne suzanne sybil sylvia tabitha tamara tanya tara tatiana teresa
thelma theresa tiffany tina titania trudy ursula valentina valerie vanessa vera veronica victoria viola violet
virginia vivian wanda wendy wilhelmina wilma winifred yolanda yvette yvonne zara zoe
"""
_MALE_NAMES = """
aaron abraham adam adrian ahmed alan albert alberto alec alejandro alexander alfred algernon ali allan alonso ambrose
amir anders andreas andrew andy angus anthony antonio archibald archie arnold arthur barnaby barry bartholomew basil
ben benedick benedict benjamin bernard bert bill billy bob bobby boris brad bradley brandon brendan brian bruce bruno
bryan caesar caleb calvin carl carlos cedric charles christian christopher claude claudius clifford clive colin conrad
craig curtis cyril dan daniel darren dave david dean demetrius dennis derek dick diego dieter dimitri dmitri dominic
don donald douglas duncan dustin earl ed eddie edgar edmund eduardo edward edwin egon elijah elliot elmer enrique eric
erik ernest ethan eugene evan ezra felix ferdinand fernando finn floyd francesco francis francisco frank franklin fred
frederick fritz gareth gary gavin geoffrey george gerald gerard gilbert giovanni giuseppe glen godfrey gordon graham
greg gregor gregory guillermo gunther gustav guy hamlet hans harold harry harvey hassan hector heinrich helmut henri
henry herbert herman homer horace horatio howard hubert hugh hugo humphrey iago ian ibrahim igor isaac ivan jack jacob
jacques jake james jared jason javier jeff jeffrey jeremy jerome jerry jim jimmy joe joel johann john johnny jonah
jonas jonathan jorge jose josef joseph joshua juan julian julio julius jürgen karl keith kenneth kent kevin klaus kurt
kyle laertes lance larry lars laurence lawrence lear lenny leo leon leonard leonardo leopold leroy lewis liam lionel
lloyd louis luca lucas luigi luis luke luther lysander macbeth malcolm manuel marcel marco marcus mario mark marshall
martin marvin mathew matt matteo matthew matthias maurice max maxwell mercutio michael miguel mike mikhail miles
milton mohamed mohammed montague mortimer moses muhammad murray nathan nathaniel ned neil nelson neville nicholas nick
nigel noah norman oberon oliver omar orlando orson oscar osman oswald othello otis otto owen pablo patrick paul pedro
percival percy pete peter petruchio phil philip phillip pierre prospero quentin rafael ralph ramon randolph raphael
raul raymond reginald reuben rex ricardo richard rick robert roberto roderick rodney rodrigo roger roland roman romeo
ron ronald rory ross rowan roy rudolf rudy rufus rupert russell ryan salvador samuel saul scott sean sebastian sergei
sergio seth shane sherlock shylock sidney siegfried silas simon spencer stan stanley stefan stephen steve steven
stewart stuart sylvester ted terence theo theodore thomas tim timothy tobias toby todd tom tommy tony travis trevor
tristan tybalt tyler ulrich vernon victor vincent vincenzo virgil vladimir wallace walt walter warren watson wayne
wesley wilbur wilfred wilhelm will willem william winston wolfgang xavier yusuf zachary zeus
"""


def _known(female: str, male: str) -> Iterator[tuple[str, Gender]]:
    for name in female.split():
        yield name, "female"
    for name in male.split():
        yield name, "male"


_TITLES = dict(_known(_FEMALE_TITLES, _MALE_TITLES))
_NAMES = dict(_known(_FEMALE_NAMES, _MALE_NAMES))


def gender_of(name: str) -> Gender | None:
    """What a speaker's name tells: by its first word, else by a title in it ("The old King")."""
    words = re.findall(r"[\w'’]+", name.casefold())
    first = words[0] if words else ""
    titles = (_TITLES[word] for word in words if word in _TITLES)
    return _TITLES.get(first) or _NAMES.get(first) or next(titles, None)
