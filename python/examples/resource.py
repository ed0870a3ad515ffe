"""web.dispatch.resource's document: `python resource.py`, then http://localhost:8000/3."""

from hansel.dispatch import Collection, Resource, Resources
from hansel.wsgi import make_server


class Potato(Resource):
    def get(self) -> str:
        return f"One of {self._collection.potatoes} beautiful potatoes."

    def delete(self) -> str:
        type(self._collection).potatoes -= 1
        return "You monster."


class Field(Collection):
    __resource__ = Potato

    potatoes = 10

    def get(self) -> str:
        return f"{self.potatoes} potatoes in the field."

    def post(self) -> str:
        Field.potatoes += 1
        return f"There are now {Field.potatoes} potatoes in the field."

    def delete(self) -> str:
        Field.potatoes = 0
        return "You monster."

    def __getitem__(self, index: str) -> int:
        if not index.isdecimal() or not 0 < int(index) <= self.potatoes:
            raise KeyError(index)
        return int(index)


application = Resources(Field)

if __name__ == "__main__":
    make_server("localhost", 8000, application).serve_forever()
